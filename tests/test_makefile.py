"""Every `make TARGET` that a page, a docstring or a benchmark names exists and does something."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

import surface

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted(file for folder in ("src", "benchmarks", "examples") for file in (ROOT / folder).rglob("*.py"))
STAMPS = (".installed", ".dev", ".docs", ".export", ".serve")
SHELLS = "bash|sh|shell|console"
ASSIGNED = r"(?: [A-Z]+=\S+)*"

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def named() -> dict[str, list[str]]:
    """Commands -> where they are named. Prose ("make it") is none: a command stands in backticks, begins a line of code, or
    follows the colon of a benchmark's first line."""
    found: dict[str, list[str]] = {}
    for file in [*PAGES, *SOURCES]:
        text = file.read_text(encoding="utf-8")
        commands = re.findall(rf"`(make [a-z][\w-]*{ASSIGNED})`", text)
        commands += re.findall(r"\bmake bench-[\w-]+", text)
        for block in re.findall(rf"```(?:{SHELLS})\n(.*?)```", text, re.DOTALL) if file.suffix == ".md" else ():
            commands += re.findall(rf"^\s*(?:\$ )?(make [a-z][\w-]*{ASSIGNED})", block, re.MULTILINE)
        if file.parent.name == "benchmarks":
            commands += re.findall(r'\A""".*?: (make [a-z][\w-]*)', text)
        for command in commands:
            found.setdefault(command, []).append(str(file.relative_to(ROOT)))
    return found


def planned(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make` would run."""
    words = [part.strip("'\"") for part in command.split()]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run([*words, "-n"], cwd=folder, env=clean, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A fresh clone, and one in which everything was installed after the last change."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("fresh", "installed")}
    for folder in folders.values():
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    (folders["installed"] / ".venv").mkdir()
    for stamp in STAMPS:
        (folders["installed"] / ".venv" / stamp).touch()
    return folders


def test_targets_are_found_in_the_texts():
    assert {"make demo", "make test", "make storm", "make bench-surgery", "make bench-judges", "make bench-apply"} <= {
        *named()
    }


@pytest.mark.parametrize("state", ["fresh", "installed"])
@pytest.mark.parametrize("command", sorted(named()))
def test_a_target_that_is_named_does_something(command, state, trees):
    done = planned(command, trees[state])
    assert done.returncode == 0, f"{named()[command]}: {done.stderr}"
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    own = [
        line for line in lines if "pip install" not in line and " -m venv " not in line and not line.startswith("touch")
    ]
    assert own, f"{named()[command]}: {command} does nothing ({done.stdout.strip()})"
    if state == "fresh":
        assert any(" -m venv " in line for line in lines) or "rm -rf" in own[0]


def test_what_a_target_runs_is_there(trees):
    """Scripts, modules and verbs; the other programs are those of the extras that the target installs."""
    extras = {"ruff", "mypy", "mkdocs"}
    lines = [line for name in named() for line in planned(name, trees["installed"]).stdout.splitlines()]
    ran = [words for line in lines for words in re.findall(r"\.venv/bin/(.*)", line)]
    scripts = {script for words in ran for script in re.findall(r"^python (\S+\.py)", words)}
    modules = {module for words in ran for module in re.findall(r"^python -m (\S+)", words)}
    programs = {words.split()[0] for words in ran} - {"python"}
    assert not [script for script in scripts if not (ROOT / script).is_file()]
    assert not [module for module in modules if not find_spec(module)]
    assert programs <= {"suture", *extras}
    assert {words.split()[1] for words in ran if words.startswith("suture ")} <= {
        path[0] for path, _ in surface.walked() if path
    }
    assert scripts
    assert modules


@pytest.mark.parametrize("file", sorted(p.stem for p in (ROOT / "benchmarks").glob("[a-z]*.py")))
def test_every_benchmark_has_a_target(file, trees):
    name = file.replace("_", "-")
    own = planned(f"make {name} OLD=x", trees["installed"])
    done = own if own.returncode == 0 else planned(f"make bench-{name}", trees["installed"])
    assert f"benchmarks/{file}.py" in done.stdout


def test_files_of_benchmarks_that_are_named_exist():
    named_in = {
        str(file.relative_to(ROOT)): re.findall(r"\bbenchmarks/[\w-]+\.py\b", file.read_text(encoding="utf-8"))
        for file in [*SOURCES, *PAGES]
    }
    gone = [(file, name) for file, names in named_in.items() for name in names if not (ROOT / name).is_file()]
    assert not gone
    assert any(named_in.values())
