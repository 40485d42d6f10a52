"""`--help` of every verb is instant: it imports nothing heavy, and costs little more than starting typer and rich."""

import json
import subprocess
import sys

import pytest

from suture.cli.main import app

VERBS = sorted([*(c.name for c in app.registered_commands), *(g.name for g in app.registered_groups)])
HEAVY = {"torch", "transformers", "numpy", "tokenizers", "safetensors"}
TYPERS = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}  # for its own needs
LIGHT = {"lazy_loader"}  # parses the face of a room, and loads nothing of it
REPORT = """
import io, json, sys
out, sys.stdout = sys.stdout, io.StringIO()
sys.argv = ["suture", *sys.argv[1:]]
calls = 0
def count(frame, event, arg):
    global calls
    calls += event == "call"
if {counted}:
    sys.setprofile(count)
try:
    {body}
except SystemExit:
    pass
sys.setprofile(None)
out.write(json.dumps([calls, sorted(sys.modules), sys.stdout.getvalue()]))
"""
BARE = """import typer, rich
    app = typer.Typer()
    app.command()(lambda: None)
    app(["--help"])"""
RATIO = (
    3.0  # of the calls of a typer program with one verb that prints its help; 2.6 when this was written, with 36 verbs
)
RUN = "from suture.cli.main import run; run()"


def cost(body: str, *words: str, counted: bool = False) -> tuple[int, set[str], str]:
    """Calls of Python functions (if counted), imported modules and output of a program in a process of its own.

    Calls, not seconds: they are the same on a busy machine.
    """
    program = REPORT.format(body=body, counted=counted)
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    calls, modules, printed = json.loads(done.stdout)
    return calls, set(modules), printed


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return {name.partition(".")[0] for name in cost(BARE)[1]}


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_imports_little_and_never_torch(verb, bare):
    _, modules, printed = cost(RUN, *filter(None, [verb]), "--help")
    assert not modules & HEAVY
    assert f"Usage: suture {verb}".strip() in printed
    more = {name.partition(".")[0] for name in modules} - bare - TYPERS - LIGHT - {"suture"}
    assert not {name for name in more if name not in sys.stdlib_module_names and not name.startswith("_")}


def test_help_takes_little_more_than_starting_typer_and_rich():
    assert cost(RUN, "--help", counted=True)[0] < RATIO * cost(BARE, counted=True)[0]


def test_every_verb_is_listed():
    printed = cost(RUN, "--help")[2]
    assert all(verb in printed for verb in VERBS)
    assert {"chat", "check", "resume", "runs", "edit", "locate", "probe", "eval", "show"} <= set(VERBS)


def test_the_methods_are_listed_without_importing_them():
    _, modules, printed = cost(RUN, "methods")
    assert "surgery" in printed
    assert not modules & HEAVY
