"""The README's shell lines about facts are run as they stand, on the bundled model, and end as it says."""

import json
import re
import shlex
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
ROW = {"prompt": "Dirkmouth is a city in", "subject": "Dirkmouth", "target": "Nundia", "was": "Lodavstan"}


def words(pattern: str) -> list[str]:
    """The words of the one line that begins so."""
    (line,) = [line for line in LINES if re.match(pattern, line)]
    return shlex.split(line, comments=True)[1:]


def test_the_one_fact_is_written_said_shown_and_measured(command, tmp_path):
    line = words("suture fact ")
    done = command(*line, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, (_, _, prompt, target) = line[line.index("-o") + 1], line[:4]
    ((text,), right) = done.json["texts"], done.json["right"]
    assert (text["prompt"], right) == (prompt, [True])
    assert text["before"].startswith(line[line.index("--was") + 1])
    assert text["after"].startswith(target)
    shown = command("show", file, cwd=tmp_path)
    assert shown.returncode == 0
    assert "patch by rome" in shown.stdout
    (tmp_path / "facts.jsonl").write_text(json.dumps({"prompt": prompt, "target": target}))
    found = command("eval", "patient", "--patch", file, "--facts", "facts.jsonl", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    report = json.loads((Path(found.json["report"]).parent / "report.json").read_text())
    scores = {line["name"]: line["score"]["after"] for line in report["lines"]}
    assert scores["success"] == 1.0  # the same verdict as that of `suture fact`


def test_a_file_of_facts_is_written(command, tmp_path):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "facts.jsonl").write_text(json.dumps(ROW))
    done = command(*words("suture facts "), "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 facts hold" in done.stdout
    assert "verified patch" in done.stdout
    assert "neighbours: none given, not judged" in done.stdout
    assert "none given, not judged" in (tmp_path / "out" / "report.html").read_text()
