import json
from pathlib import Path

from suture.measure.gates import Spec

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


def test_a_role_falls_by_the_measure_that_the_answer_names(command, folder):
    text = SPEC.format(limit=100).replace("gates:\n", "gates:\n  - {role: keep, max_harm: -0.99, interval: point}\n")
    (folder / "gates.yaml").write_text(text)
    done = command("check", "gates.yaml", "--json", "--out", "Rolle", cwd=folder)
    assert done.returncode == 4
    assert [(gate["measure"], gate["passed"]) for gate in done.json["gates"]] == [
        ("perplexity", False),
        ("perplexity", True),
        ("drift", True),
    ]
    assert done.json["gates"][0]["role"] == "keep"
    assert "Outside the limit: perplexity" in done.stderr


def test_the_example_holds_the_target_and_all_that_an_edit_must_not_harm():
    spec = Spec.load(EXAMPLE)
    assert spec.measures()
    assert {gate.role for gate in spec.gates if gate.max_harm is not None} >= {"keep", "floor"}
    assert "rude" in [gate.measure for gate in spec.gates]
