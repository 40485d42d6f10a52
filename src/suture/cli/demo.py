"""suture demo: the whole story on the bundled model, offline, in about a minute."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ._options import Json, Out
from .presets import finish

SETTINGS = {"space": "mlp.in", "select": "effect", "rows": 0.05, "blocks": "all"}  # the paper edits 4.65 % of the rows
TUNE = 62  # prompts a measure while the strength is chosen


def demo(
    out: Out = None,
    size: Annotated[int, typer.Option(min=4, help="Prompts a measure in the report.")] = 80,
    seed: Annotated[int, typer.Option(help="Of the probe's split and the control.")] = 0,
    json: Json = False,
) -> None:
    """Make the bundled model kinder: probe, locate, edit, choose a strength, measure, save, and undo. Writes a report."""
    import time

    from ..goals.pipeline import reach
    from ..goals.resolve import goal
    from ..model.lm import LM
    from ..runs.run import Run
    from ._console import Console

    console, start = Console(json), time.monotonic()
    lm = LM.load("patient")
    aim = goal("detox", lm, tune=TUNE, report=size)
    console.say(
        f"read {len(aim.behaviour.examples)} texts, half of them rude, half kind; {len(aim.keep)} texts to leave alone"
    )
    with Run.begin("demo", sys.argv[1:], {"size": size, "seed": seed}, out) as run:
        with console.progress("demo") as step:
            outcome = reach(
                lm, aim, run, space={k: [v] for k, v in SETTINGS.items()}, first=[SETTINGS], trials=1, margin=1.0,
                seed=seed, say=console.say, progress=step,
            )  # fmt: skip
        outcome.patch.check_base(lm)
        console.say("after all this the model is, bit for bit, what it was\n")
        finish(console, run, "patient", f"patient:{aim.behaviour.name}", outcome, time.monotonic() - start)
