"""The entry point: collects the verbs and turns errors into one line each of what, why and what next."""

from __future__ import annotations

import os
import sys

import typer

from ..errors import SutureError
from . import demo, doctor, edit, evaluate, locate, methods, plan, probe, show

app = typer.Typer(
    name="suture",
    help="Surgery for language models: find what carries a behaviour, edit it, measure it, ship it as a patch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Start with: suture demo    Exit codes: 0 ok, 1 bug, 2 usage, 3 no effect, 4 verification failed, "
    "5 wrong or tampered base or patch, 6 resources, 130 interrupted. A traceback only with -v.",
)
app.command("demo")(demo.demo)
app.command("probe")(probe.probe)
app.add_typer(locate.app, name="locate")
app.add_typer(edit.app, name="edit")
app.command("eval")(evaluate.evaluate)
app.command("show")(show.show)
app.command("methods")(methods.methods)
app.command("plan")(plan.plan)
app.command("doctor")(doctor.doctor)


def run() -> None:
    """Run the command line; never returns."""
    verbose = any(flag in sys.argv for flag in ("-v", "--verbose"))
    sys.argv = [word for word in sys.argv if word not in ("-v", "--verbose")]
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        app()
    except SutureError as problem:
        if verbose:
            raise
        lines = [
            f"error: {problem.what}",
            problem.why and f"  why: {problem.why}",
            problem.fix and f"  try: {problem.fix}",
        ]
        sys.stderr.write("\n".join(line for line in lines if line) + "\n")
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as problem:
        if verbose:
            raise
        sys.stderr.write(
            f"error: {type(problem).__name__}: {problem}\n  why: this is a bug in suture\n"
            "  try: run it again with -v and report what it prints\n"
        )
        sys.exit(1)
