"""The entry point: collects the verbs and turns errors into one line each of what, why and what next."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer

from .. import registry
from ..errors import Interrupted, SutureError
from ..io.system import explained, refused
from ..text.printable import shown
from . import (
    apply,
    bake,
    chat,
    check,
    combine,
    compare,
    demo,
    diff,
    doctor,
    edit,
    evaluate,
    export,
    fact,
    facts,
    fsck,
    get,
    locate,
    map,
    memory,
    methods,
    plan,
    presets,
    probe,
    protect,
    revert,
    runs,
    serve,
    show,
    verify,
)
from ._streams import redacted
from ._wording import in_options

CLICK_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException, wherever this typer has its click
INTERRUPTED = Interrupted.exit_code
HELP = "suture --help"

app = typer.Typer(
    name="suture",
    help="Surgery for language models: find what carries a behaviour, edit it, measure it, ship it as a patch.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog="Start with: suture demo    Exit codes: 0 ok, 1 bug, 2 usage, 3 no effect, 4 verification failed, "
    "5 wrong or tampered base or patch, 6 resources, 130 interrupted. A traceback only with -v.",
)


def _version(requested: bool) -> None:
    if requested:
        sys.stdout.write(f"suture {version('suture')}\n")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before every verb."""


app.command("demo")(demo.demo)
app.command("get")(get.get)
for goal in registry.names("goal"):
    app.command(goal)(presets.preset(goal))
app.command("map")(map.map_)
app.command("protect")(protect.protect)
app.command("probe")(probe.probe)
app.add_typer(locate.app, name="locate")
app.add_typer(edit.app, name="edit")
app.command("fact")(fact.fact)
app.command("facts")(facts.facts)
app.add_typer(memory.app, name="memory")
app.command("bake")(bake.bake)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("check")(check.check)
app.command("chat")(chat.chat)
app.command("serve")(serve.serve)
app.command("show")(show.show)
app.command("export")(export.export)
app.command("apply")(apply.apply)
app.command("revert")(revert.revert)
app.command("verify")(verify.verify)
app.command("diff")(diff.diff)
app.command("combine")(combine.combine)
app.command("fsck")(fsck.fsck)
app.command("runs")(runs.runs)
app.command("resume")(runs.resume)
app.command("methods")(methods.methods)
app.add_typer(plan.app, name="plan")
app.command("doctor")(doctor.doctor)


def run() -> None:
    """Run the command line; never returns."""
    verbose = any(flag in sys.argv for flag in ("-v", "--verbose"))
    sys.argv = [word for word in sys.argv if word not in ("-v", "--verbose")]
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by the system as by the user: clean up, 130
    with redacted():  # what libraries and logs write passes it, too
        _run(verbose)


def _run(verbose: bool) -> NoReturn:
    try:
        code = app(prog_name="suture", standalone_mode=False)
        if code == INTERRUPTED:  # what click makes of Ctrl-C outside a run
            _complain("interrupted")
        _leave(code if isinstance(code, int) else 0)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as problem:
        if verbose and not isinstance(problem, CLICK_ERROR):
            sys.stderr.write("".join(traceback.format_exception(problem)))
        _leave(_explain(problem))


def _leave(code: int) -> NoReturn:
    """End the process; after Ctrl-C at once, as native threads that were at work can abort an orderly end."""
    if code != INTERRUPTED:
        sys.exit(code)
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)


def _explain(problem: Exception) -> int:
    """Say what went wrong, why and what to try, a line each; returns the exit code."""
    if isinstance(problem, Interrupted):
        _complain(f"interrupted; continue with: {problem.fix}")
        return problem.exit_code
    if isinstance(problem, SutureError):
        what, why, fix = (in_options(text) for text in (problem.what, problem.why, problem.fix or HELP))
        _complain(f"error: {what}", why and f"  why: {why}", f"  try: {fix}")
        return problem.exit_code
    if isinstance(problem, CLICK_ERROR):
        path = problem.ctx.command_path if problem.ctx else "suture"
        if "NoArgsIsHelp" not in type(problem).__name__:  # that one has shown the help itself
            _complain(f"error: {_one_line(problem.format_message())}", f"  try: {path} --help")
        return int(problem.exit_code)
    if isinstance(problem, typer.Abort):
        _complain("interrupted")
        return INTERRUPTED
    if refused(problem):
        name = getattr(problem, "filename", None)
        place = "a file" if name is None else os.fsdecode(name)
        what = "the memory does not suffice" if isinstance(problem, MemoryError) else f"can not read or write {place}"
        return _explain(explained(problem, what))
    _complain(
        f"error: {type(problem).__name__}: {_one_line(str(problem))}",
        "  why: this is a bug in suture",
        "  try: run it again with -v and report what it prints",
    )
    return 1


def _complain(*lines: str) -> None:
    sys.stderr.write("".join(f"{shown(line)}\n" for line in lines if line))


def _one_line(text: str) -> str:
    return " ".join(text.split())
