"""How the commands of pages are read, typed into a terminal, and held against what the pages show."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import _documented as documented
    import _newcomer
    import docs_run
    from _lines import Ended, Terminal, environment, install
    from _pages import Block, blocks, session, shows
    from _prepared import amiss, unprinted
finally:
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("```bash\nsuture runs\n```", [(2, "suture runs")]),
        ("1. first\n\n   ```bash\n   suture runs  # all\n   ```\n", [(4, "suture runs  # all")]),
        ("```console\n$ suture runs\n```", [(2, "suture runs")]),
        ("```sh\n# a remark\n\nsuture runs\nsuture methods\n```", [(4, "suture runs"), (5, "suture methods")]),
        ("```bash\nsuture edit x \\\n  -o y\nls\n```", [(2, "suture edit x \\\n  -o y"), (4, "ls")]),
        ("```bash\ncurl -d '\n {\"a\": 1}'\nls\n```", [(2, "curl -d '\n {\"a\": 1}'"), (4, "ls")]),
        ("```bash\nsuture fact m 'it' x   # the model's own\n```", [(2, "suture fact m 'it' x   # the model's own")]),
        ("```python\nsuture = 1\n```\n```text\nsuture runs\n```", []),
        ("```bash\nsuture runs\n```\ntext\n```bash\nsuture methods\n```", [(2, "suture runs"), (6, "suture methods")]),
    ],
)
def test_commands_are_read_as_a_shell_reads_them(text, lines):
    assert [(line.line, line.text) for line in documented.commands("page.md", text)] == lines


def test_a_command_that_does_not_end_is_told():
    with pytest.raises(ValueError, match="line 2: a command that does not end"):
        documented.commands("page.md", "```bash\nsuture fact 'it\n```")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("```bash\nsuture runs\n```\n\n```text\nnone\n```\n", ["none\n"]),
        ("```bash\nsuture runs\nsuture methods\n```\n```text\nrome\n```\n", [None, "rome\n"]),
        ("- so\n\n  ```bash\n  suture runs\n  ```\n\n  ```text\n  a\n    b\n  ```\n", ["a\n  b\n"]),
        ("```bash\nsuture runs\n```\n\nA file of mine:\n\n```text\nnone\n```\n", [None]),
        ("```bash\nsuture runs\n```\n\n```json\n{}\n```\n", [None]),
    ],
)
def test_a_block_of_text_below_a_command_is_what_it_prints(text, shown):
    assert [line.shown for line in documented.commands("page.md", text)] == shown


def test_what_is_typed_behind_a_dollar_is_read_with_what_it_prints():
    block = Block("page.md", 7, "text", "$ suture a\none\ntwo\n$ suture b\n", follows=False)
    assert session(block) == [(7, "suture a", "one\ntwo\n"), (10, "suture b", "")]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a  \nb\n\n", True),
        ("a\nb\n", "a\nb\nc\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\n", "a\n", True),
        ("norm … of 3\n", "norm 26.05 of 3\n", True),
        ("norm … of 3\n", "norm 26.05 of 4\n", False),
        ("norm … of 3\n", "norm 26.05\n of 3\n", False),
        ("1.5 (x)\n", "1x5 (x)\n", False),
        ("  a\n", "a\n", False),
    ],
)
def test_what_is_printed_is_held_against_what_is_shown(shown, printed, same):
    assert shows(shown, printed) is same
    assert shows(shown, "something else\n", printed) is same


def test_a_command_ends_as_its_page_says():
    line = documented.Command("docs/page.md", 1, "suture methods", "rome\n")
    assert amiss(line, Ended(0, "rome\n", "")) == ""
    assert amiss(line, Ended(2, "rome\n", "")) == "ends with 2, not with 0"
    assert amiss(line, Ended(0, "memit\n", "")) == "prints other than the page shows"
    gates = documented.Command("README.md", 1, "suture check examples/gates.yaml  # limits")
    assert [amiss(gates, Ended(code, "", "")) for code in (0, 4)] == ["", ""]
    assert amiss(gates, Ended(2, "", "")) == "ends with 2, not with 0 or 4"


def test_every_line_of_a_sample_is_printed():
    ((page, (beginning, start)),) = documented.SAMPLES.items()
    (sample,) = [block.text for block in blocks(page) if block.printed and block.text.startswith(beginning)]
    (line,) = [line for line in documented.commands(page) if line.starts(start)]
    assert unprinted(line, f"first\n  {sample}last\n") == ""
    *others, last = sample.splitlines()
    assert unprinted(line, "\n".join(others)) == f"does not print what the page shows: {last}"
    assert unprinted(documented.Command(page, 1, "suture show x"), "") == ""


ENTRY = {"page": "docs/page.md", "text": "suture runs", "well": True}


def test_a_journal_whose_last_line_was_cut_is_read_without_it(tmp_path, capsys):
    journal = tmp_path / "journal.jsonl"
    whole, cut = json.dumps(ENTRY) + "\n", json.dumps({**ENTRY, "text": "suture methods"})
    for length in (1, len(cut) // 2, len(cut)):
        journal.write_text(whole + cut[:length])
        pages = docs_run.Pages(tmp_path, journal, {})
        assert pages.ended == {("docs/page.md", "suture runs")}
        assert "its last line was cut" in capsys.readouterr().out
        pages.note({**ENTRY, "text": "suture methods"})
        assert docs_run.entries(journal) == [ENTRY, {**ENTRY, "text": "suture methods"}]
        assert capsys.readouterr().out == ""


def test_a_journal_of_which_only_the_beginning_of_one_line_is_there_is_empty(tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text('{"page": "docs/pa')
    assert docs_run.entries(journal) == []
    assert journal.read_text() == ""
    assert docs_run.entries(tmp_path / "none.jsonl") == []


def test_a_journal_that_is_damaged_elsewhere_is_refused(tmp_path):
    (tmp_path / "journal.jsonl").write_text('{"page": "docs/pa\n' + json.dumps(ENTRY) + "\n")
    with pytest.raises(json.JSONDecodeError):
        docs_run.entries(tmp_path / "journal.jsonl")


def test_a_terminal_keeps_what_is_exported(tmp_path):
    terminal = Terminal(tmp_path, environment(ROOT))
    assert terminal.run("export SEEN='a  b'  # for later").code == 0
    assert terminal.run('echo "$SEEN"').out == "a  b\n"
    ended = terminal.run("cat\necho oh >&2; exit 3")
    assert (ended.code, ended.out, ended.err) == (3, documented.SAID, "oh\n")
    assert Terminal(tmp_path, environment(ROOT)).run('echo "$SEEN"').out == "\n"


def test_a_newcomer_has_the_programs_of_a_clone_once_it_is_activated(tmp_path):
    """The clone's environment is the one that runs this, and make finds it newer than what it is made from."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    install(tmp_path)
    terminal = Terminal(tmp_path, environment(tmp_path, activated=False))
    assert str(Path(sys.executable).parent) not in terminal.environment["PATH"].split(os.pathsep)
    planned = terminal.run("make -n demo")
    assert (planned.code, planned.out) == (0, ".venv/bin/suture demo\n")
    assert terminal.run("test -x .venv/bin/python && export PATH=$PWD/.venv/bin:$PATH").code == 0
    assert terminal.run("command -v python").out == f"{tmp_path}/.venv/bin/python\n"


def test_a_newcomer_pastes_all_of_the_readme_in_its_order():
    lines = _newcomer.pasted()
    assert [line for line in lines if not line.text.startswith("python -")] == documented.commands("README.md")
    (code,) = [line for line in lines if line.text.startswith("python -")]
    assert "LM.load(" in code.text
    assert [line.line for line in lines] == sorted(line.line for line in lines)


def test_only_names_in_capitals_are_made_for_a_newcomer():
    """A file with a name of its own must come from a line above, or be in the clone."""
    line = documented.Command("README.md", 1, "suture diff A MODEL P1 -o patch.safetensors --to lora other.safetensors")
    assert _newcomer.placeholders(line) == ["A", "MODEL", "P1"]
