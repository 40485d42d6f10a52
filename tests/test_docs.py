"""What the documents say can be typed: Python blocks run, command lines name verbs and options that exist."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

import surface

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted(file for folder in ("src", "benchmarks", "examples") for file in (ROOT / folder).rglob("*.py"))
TREE = dict(surface.walked())
VERBS = {words[0] for words in TREE if words}
ENDED = r"\bsuture [a-z]+(?:(?!\. |[`;()\n]|\.$|, or |: ).)*"  # to the end of a sentence


def blocks(language: str) -> dict[str, list[str]]:
    found = {page.name: re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL) for page in PAGES}
    return {name: texts for name, texts in found.items() if texts}


@cache
def commands() -> list[tuple[str, str]]:
    """Every command line that a page, a docstring or a text of the sources gives: the file, and the line.

    In pages: lines of any block that begin with it, and what stands in backticks, also across a line's end. In sources: every
    text, also those of messages; what is filled in is X. A command ends with its sentence.
    """
    lines = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
            joined = block.replace("\\\n", " ")
            lines += [(page.name, line.strip().removeprefix("$ ")) for line in joined.splitlines()
                      if line.strip().startswith(("suture ", "$ suture "))]  # fmt: skip
        outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        lines += [(page.name, " ".join(line.split())) for line in re.findall(r"`(suture\s[^`]+)`", outside)]
    for file in SOURCES:
        where = str(file.relative_to(ROOT))
        for text in texts(file):
            quoted = re.findall(r"`(suture [^`]+)`", text)
            plain = re.findall(ENDED, re.sub(r"`[^`]*`", "", text))
            lines += [
                (where, " ".join(line.split()))
                for line in [*quoted, *plain]
                if line.split()[1] in VERBS or line in quoted
            ]
    return sorted(set(lines))


def texts(file: Path) -> list[str]:
    """Every text in a Python file; what is filled into one is X. Its parts are not told again."""
    found: list[str] = []

    class Texts(ast.NodeVisitor):
        def visit_JoinedStr(self, node):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))

        def visit_Constant(self, node):
            if isinstance(node.value, str):
                found.append(node.value)

    Texts().visit(ast.parse(file.read_text(encoding="utf-8")))
    return [text for text in found if "suture " in text]


@pytest.mark.parametrize("page", blocks("python"))
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "peft" in page or "export" in page:
        pytest.importorskip("peft")
    names: dict[str, object] = {}
    for code in blocks("python")[page]:
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", sorted({page for page, _ in commands()}))
def test_command_lines_name_what_exists(page):
    wrong = [f"{problem} in: {line}" for where, line in commands() if where == page and (problem := mistake(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("suture apply BASE patch.safetensors -o OUT --scale 0.5", ""),
        ("suture edit METHOD MODEL --data DATA --strength 2", ""),
        ("suture edit ./mine.py MODEL --data DATA --anything 2", ""),
        ("suture plan VERB ...", ""),
        ("suture plan patient --tokens 3", ""),
        ("suture detox | harden | attitude MODEL --budget kl=1", ""),
        ("suture aply BASE", "no verb aply"),
        ("suture memory put MODEL", "no verb put"),
        ("suture edit romee MODEL", "no verb romee"),
        ("suture apply BASE --strength 2", "no --strength"),
        ("suture plan apply BASE --scale 2", "no --scale"),
        ("suture eval MODEL -q", "no -q"),
        ("suture edit METHOD MODEL --strenght 2", "no --strenght"),
    ],
)
def test_mistakes_in_command_lines_are_seen(line, said):
    assert mistake(line) == said


def mistake(line: str) -> str:
    """What a command line names that does not exist; "" for nothing. Words in capitals and X stand for anything."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:  # a quotation that goes on behind the piece
        words = line.split()[1:]
    words = [word for word in words if word not in ("...", "\u2026", "\\")]
    command, above = TREE[()], ()
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        name = words[0].strip("[]")
        alone = (*above, name)
        if alone in TREE:
            command, above, words = TREE[alone], alone, words[1:]
        elif above == ("plan",) and not re.fullmatch(r"[A-Z]+", name):
            command = TREE["plan", "model"]
        elif re.fullmatch(r"[A-Z_]+|X|.*\.py|<.*>", name):
            return unknown(
                words[1:], options(*(TREE[each] for each in TREE if each[:-1] == above)), anything=name.endswith(".py")
            )
        else:
            return f"no verb {name}"
    if words and words[0] == "|":  # several verbs, one after the other
        return mistake(" ".join(["suture", *words[1:]]))
    if hasattr(command, "list_commands"):  # `suture edit --data`: an option of any verb below
        return unknown(words, options(*(TREE[each] for each in TREE if each[: len(above)] == above)))
    return unknown(words, options(command))


def options(*commands) -> set[str]:
    return {name for each in commands for p in each.params for name in (*p.opts, *p.secondary_opts)} | {
        "--help",
        "-v",
        "--verbose",
    }


def unknown(words: list[str], known: set[str], *, anything: bool = False) -> str:
    """The first option that is not known, up to a pipe or the next command."""
    for word in words:
        if word in ("|", "&&", ";", "suture"):
            break
        name = re.match(r"\[?(--[a-z][a-z-]*|-[a-z])(?=[]=.,:;)]|$)", word)
        if name and name[1] not in known and not anything:
            return f"no {name[1]}"
    return ""
