"""What the documents say can be typed: Python blocks run, command lines name verbs and options that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from suture.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> dict[str, list[str]]:
    found = {page.name: re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL) for page in PAGES}
    return {name: texts for name, texts in found.items() if texts}


def commands() -> list[tuple[str, str]]:
    lines = []
    for name, texts in blocks("bash").items():
        joined = "\n".join(texts).replace("\\\n", " ")
        lines += [(name, line) for line in joined.splitlines() if line.startswith("suture ")]
    for page in PAGES:
        lines += [(page.name, line) for line in re.findall(r"`(suture [^`\n]+)`", page.read_text())]
    return sorted(set(lines))


@pytest.mark.parametrize("page", blocks("python"))
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "peft" in page or "export" in page:
        pytest.importorskip("peft")
    names: dict[str, object] = {}
    for code in blocks("python")[page]:
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize(("page", "line"), commands())
def test_command_lines_name_what_exists(page, line):
    words = shlex.split(line, comments=True)[1:]
    words = [word for word in words if word not in ("|", "...", "\u2026")]
    command = typer.main.get_command(app)
    context = command.make_context("suture", [], resilient_parsing=True)
    while hasattr(command, "commands") or hasattr(command, "get_command"):
        if not words or words[0].startswith("-") or not re.fullmatch(r"[a-z_]+", words[0]):
            return  # `suture edit METHOD`
        assert command.get_command(context, words[0]) is not None, f"{page}: no {words[0]} in {line!r}"
        _, command, words = command.resolve_command(context, words)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{page}: no {word} in {line!r}"
