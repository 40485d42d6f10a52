"""suture demo: the whole story in a few minutes, on a small real model, or offline on the bundled one."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..text.printable import command_line
from ._options import Json, Out, typed
from .presets import finish

if TYPE_CHECKING:
    from ._console import Console

REAL, BUNDLED = "smollm2", "patient"
SETTINGS = {"space": "mlp.in", "select": "effect", "rows": 0.05, "blocks": "all"}  # the paper edits 4.65 % of the rows
TUNE = 62  # prompts a measure while the strength is chosen
SIZES = {REAL: 24, BUNDLED: 80}


def demo(
    model: Annotated[
        Literal["smollm2", "patient"] | None,
        typer.Argument(help="By default the real one where it is here or can be fetched, else the bundled one."),
    ] = None,
    out: Out = None,
    size: Annotated[
        int | None, typer.Option(min=4, help=f"Prompts a measure in the report, {SIZES[REAL]} or {SIZES[BUNDLED]}.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the probe's split, the sampling and the control.")] = 0,
    json: Json = False,
) -> None:
    """Edit a model, see what it says before and after and what it cost, and take the edit out again. Writes a report."""
    import os

    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers draws bars of its own; there is one of ours
    from ._console import Console

    console = Console(json)
    chosen = model or _available(console)
    tell = _real if chosen == REAL else _bundled
    tell(console, out, size or SIZES[chosen], seed)


def _available(console: Console) -> str:
    """Return the real model's name where it is here or can be fetched; else say why not, and return the bundled one's."""
    from ..errors import SutureError
    from ..model.load.get import get

    try:
        with console.progress("get") as step:
            get(REAL, progress=step)
    except SutureError as problem:
        console.say(f"{REAL} is not here: {problem.what}. This is the bundled model instead, a toy.")
        return BUNDLED
    return REAL


def _real(console: Console, out: Path | None, size: int, seed: int) -> None:
    """A fact corrected, the tone turned at two strengths, and a patch put on a folder and taken out."""
    from ..model.lm import LM
    from ..model.load.get import fetchable, get
    from ..report.page import save
    from ..runs.run import Run
    from ._story import happened

    start = time.monotonic()
    with Run.begin("demo", sys.argv[1:], {"model": REAL, "size": size, "seed": seed}, out) as run:
        with console.progress("demo") as step:
            get(REAL, progress=step)
            lm = LM.load(REAL)
            made = happened(run, lm, size, seed, step)
        tone, seconds = run.path("tone.safetensors"), time.monotonic() - start
        commands = [typed(), shlex.join(["suture", "eval", REAL, "--patch", str(tone)])]
        pages = save(replace(made.report, commands=commands, extra={"seconds": seconds, **console.noted}), run.path(""))
        console.say(f"{fetchable(REAL).about} (licence {fetchable(REAL).licence})")
        made.tell(console)
        aim = made.report.aim
        assert aim is not None
        run.result = f"{aim.about}: {aim.score.before:.1%} -> {aim.score.after:.1%}"
        console.say(f"report: {pages['html']}   ({seconds:.0f} s)")
        console.say(f"next:   {command_line('chat', REAL, '--patch', tone)}")
        paths = {
            "fact": run.path("fact.safetensors"),
            "tone": tone,
            **{f"report_{kind}": pages[kind] for kind in pages},
        }
        console.result({**made.plain, "seconds": seconds, "paths": {name: str(path) for name, path in paths.items()}})


def _bundled(console: Console, out: Path | None, size: int, seed: int) -> None:
    """Make the bundled model kinder: probe, locate, edit, choose a strength, measure, save, and undo."""
    from ..goals.pipeline import reach
    from ..goals.resolve import goal
    from ..model.lm import LM
    from ..runs.run import Run

    start = time.monotonic()
    lm = LM.load(BUNDLED)
    aim = goal("detox", lm, tune=TUNE, report=size)
    console.say(
        f"read {len(aim.behaviour.examples)} texts, half of them rude, half kind; {len(aim.keep)} texts to leave alone"
    )
    with Run.begin("demo", sys.argv[1:], {"model": BUNDLED, "size": size, "seed": seed}, out) as run:
        with console.progress("demo") as step:
            outcome = reach(
                lm, aim, run, space={k: [v] for k, v in SETTINGS.items()}, first=[SETTINGS], trials=1, margin=1.0,
                methods=["surgery"], seed=seed, say=console.say, progress=step,
            )  # fmt: skip
        outcome.patch.check_base(lm)
        console.say("after all this the model is, bit for bit, what it was\n")
        finish(console, run, BUNDLED, f"{BUNDLED}:{aim.behaviour.name}", outcome, time.monotonic() - start)
