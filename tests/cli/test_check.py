import json
from pathlib import Path

from suture.gates import Spec

EXAMPLE = Path(__file__).parents[2] / "examples" / "gates.yaml"
SPEC = """model: patient
patches: [patch.safetensors]
texts: texts.txt
controls: false
gates:
  - {{measure: perplexity, max: 1000}}
  - {{measure: drift, max: {limit}}}
"""


def test_gates_that_hold_pass_and_the_report_says_so(command, folder):
    (folder / "gates.yaml").write_text(SPEC.format(limit=100))
    done = command("check", "gates.yaml", "--json", "--out", "die Prüfung", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.json["passed"]
    assert [gate["passed"] for gate in done.json["gates"]] == [True, True]
    written = json.loads((folder / "die Prüfung" / "report.json").read_text())
    assert written["extra"]["gates"] == done.json["gates"]


def test_one_gate_that_falls_is_exit_code_4_after_the_report_is_written(command, folder):
    (folder / "gates.yaml").write_text(SPEC.format(limit=0))
    done = command("check", "gates.yaml", "--out", "gefallen", cwd=folder)
    assert done.returncode == 4
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("perplexity", "drift"))]
    assert [row[-1] for row in rows] == ["pass", "FAIL"]
    assert "1 of 2 gates fell" in done.stderr
    assert (folder / "gefallen" / "report.html").is_file()


def test_the_example_is_a_spec_whose_gates_name_measures_of_its_suite():
    spec = Spec.load(EXAMPLE)
    assert {gate.measure for gate in spec.gates} <= {measure.name for measure in spec.measures()}
