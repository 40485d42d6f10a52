"""`--help` of every verb is instant: it never imports torch, and costs little more than starting typer and rich."""

import json
import subprocess
import sys
import time

import pytest

from suture.cli.main import app

VERBS = sorted([*(c.name for c in app.registered_commands), *(g.name for g in app.registered_groups)])
HEAVY = {"torch", "transformers", "numpy", "tokenizers", "safetensors"}
REPORT = """
import io, json, resource, sys
out, sys.stdout = sys.stdout, io.StringIO()
sys.argv = ["suture", *sys.argv[1:]]
try:
    {body}
except SystemExit:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
out.write(json.dumps([used.ru_utime + used.ru_stime, sorted(sys.modules), sys.stdout.getvalue()]))
"""
BARE = """import typer, rich
    app = typer.Typer()
    app.command()(lambda: None)
    app(["--help"])"""
RATIO = 2.5  # of the CPU time of a bare typer program that prints its help; about 1.2 when this was written


def cost(body: str, *words: str) -> tuple[float, set[str], str]:
    """CPU seconds, imported modules and output of a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(body=body), *words], capture_output=True, text=True, check=True
    )
    seconds, modules, printed = json.loads(done.stdout)
    return seconds, set(modules), printed


@pytest.fixture(scope="module")
def bare() -> float:
    return min(cost(BARE)[0] for _ in range(3))


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_instant_and_never_imports_torch(verb, bare):
    run = "from suture.cli.main import run; run()"
    for attempt in range(3):  # a busy machine makes CPU time dearer, too
        seconds, modules, printed = cost(run, *filter(None, [verb]), "--help")
        assert not modules & HEAVY
        assert f"Usage: suture {verb}".strip() in printed
        if seconds < RATIO * bare:
            return
        time.sleep(attempt)
    pytest.fail(f"suture {verb} --help took {seconds:.2f} s of CPU, a bare program {bare:.2f}")


def test_every_verb_is_listed():
    printed = cost("from suture.cli.main import run; run()", "--help")[2]
    assert all(verb in printed for verb in VERBS)
    assert {"chat", "check", "resume", "runs", "edit", "locate", "probe", "eval", "show"} <= set(VERBS)


def test_the_methods_are_listed_without_importing_them():
    _, modules, printed = cost("from suture.cli.main import run; run()", "methods")
    assert "surgery" in printed
    assert not modules & HEAVY
