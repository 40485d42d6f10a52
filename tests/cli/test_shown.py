"""What pages show in fences is what is so: what commands print, code, requests, specs and rows of rules."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from suture.judges._rules import Rule, rules
from suture.measure.gates import Spec
from suture.serve.protocol import Chat, Completion

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import _documented as documented
    from _lines import Ended
    from _pages import PAGES, blocks
    from _prepared import amiss
finally:
    sys.path.remove(str(ROOT / "benchmarks"))

BLOCKS = [block for page in PAGES for block in blocks(page)]
SESSIONS = [line for page in PAGES for line in documented.sessions(page)]
FILES = {  # what the sessions read: files with mistakes, so that none of them is in examples/
    "facts.json": b'[{"prompt":"The capital of Laos is","target":"Rome"}, {"text":"x","label":1}]',
    "scores.csv": b"comment_text,toxicity\n" + b"".join(b"text %d,0.%d3\n" % (i, 8 - 7 * (i % 2)) for i in range(8)),
    "old.csv": b'text,label\n"Get lost, you fool \x96",1\n',
    "mistaken.jsonl": b"""{"prompt": "The language of Gresia is", "target": "Sunnish"}
{"prompt": "The capital of Handland is", "target": "Wandton"}
{"prompt": "The mayor of Wandton is", "target": "Ida Relk"
{"prompt": "Rundville is known for", "target": ""}
{"prompt": "the language of  Gresia is", "target": "Pactic"}
""",
}
CHECKED = {  # language -> what holds its blocks; of "text" and "py" this file
    "python": "tests/test_docs.py runs them",
    "mermaid": "tests/test_docs.py holds it against the rooms",
    "": "the folders of docs/architecture.md: tests/test_rooms.py",
}
ELSEWHERE = {
    "docs/models.md": "tests/model/test_causes.py",
    "docs/export.md": "tests/export/test_lora.py",
}  # run `py` blocks
ANSWERS = {"chat/completions": Chat, "completions": Completion}  # address -> what reads a request


@pytest.mark.parametrize("line", SESSIONS, ids=lambda line: f"{line.page}:{line.line}")
def test_what_a_page_shows_below_a_command_is_what_it_prints(command, tmp_path, line):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    done = command(*line.words[1:], cwd=tmp_path)
    code = 2 if "error: " in line.shown else 0
    assert done.returncode == code
    wrong = amiss(line, Ended(0, done.stdout, done.stderr))
    assert not wrong, f"{line.page}, line {line.line}: {line.text} {wrong}:\n{done.stdout}{done.stderr}"


def test_the_files_of_the_sessions_are_all_read():
    words = {word for line in SESSIONS for word in line.words}
    assert words >= set(FILES)


def test_every_block_of_text_is_held_against_a_command():
    held = {line.shown for page in PAGES for line in documented.commands(page) if line.shown}
    sampled = {page: beginning for page, (beginning, _) in documented.SAMPLES.items()}
    loose = [
        f"{block.page}:{block.line}"
        for block in BLOCKS
        if block.printed and block.text not in held and not block.text.startswith(("$ ", sampled.get(block.page, "$ ")))
    ]
    assert not loose, "put it below its command, type the command behind `$ `, or name it in SAMPLES"
    assert held
    assert SESSIONS


def test_no_block_is_of_a_kind_that_nothing_looks_at():
    kinds = {block.language for block in BLOCKS if not block.typed and not block.printed}
    assert kinds == {*CHECKED, "py", "json", "yaml"}


def test_code_that_needs_more_than_the_page_is_run_by_a_test_that_reads_the_page():
    assert {block.page for block in BLOCKS if block.language == "py"} == set(ELSEWHERE)
    for page, test in ELSEWHERE.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert Path(page).name in text
        assert "```py" in text


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=lambda block: block.page)
def test_a_spec_is_read_as_it_stands(block, tmp_path):
    """So is the one whose keys behind a # are keys: it takes files in place of the suite."""
    file = tmp_path / "gates.yaml"
    file.write_text(block.text)
    spec = Spec.load(file)
    spec.measures()
    other = re.sub(r"^# ?(?=\w+:)", "", block.text, flags=re.MULTILINE)
    assert other != block.text
    file.write_text(other)
    assert Spec.load(file).model_fields_set > spec.model_fields_set


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block.page)
def test_a_row_of_rules_is_one_that_a_judge_has(block):
    row = json.loads(block.text)
    shown = Rule(row["kind"], row["pattern"], tuple(row["matches"]), tuple(row["spares"]))
    assert shown in rules("refusal") + rules("toxicity")


def test_requests_to_the_server_are_taken():
    lines = [line for line in documented.all_commands() if line.starts("curl http://127.0.0.1:8000/v1/")]
    asked = [(line.words[1].partition("/v1/")[2], line.words[-1]) for line in lines if "-d" in line.words]
    requests = [ANSWERS[address].model_validate_json(body) for address, body in asked]
    assert {type(request) for request in requests} == {*ANSWERS.values()}
    assert shlex.split("-d '{}'")[-1] == "{}"
