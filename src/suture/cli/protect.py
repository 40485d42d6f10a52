"""suture protect: fine-tune a model on one's own data while the weights that safety depends on stay as they are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..text.printable import command_line
from ._options import Device, Dtype, Json, Model, Out, Tune, typed

if TYPE_CHECKING:
    from ..goals.protect import Outcome
    from ..measure.report import Report
    from ..runs.run import Run
    from ._console import Console


def protect(
    model: Model,
    tune: Tune,
    data: Annotated[
        str | None,
        typer.Option(help="Labelled answers, 1 for unsafe, that tell what is safe (bundled ones by default)."),
    ] = None,
    share: Annotated[float, typer.Option(help="Share of all parameters that stay as they are.")] = 0.01,
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = 1000,
    rate: Annotated[float, typer.Option(help="Of AdamW, in standard deviations of each tensor.")] = 0.003,
    batch: Annotated[int, typer.Option(min=1, help="Lessons in a step.")] = 4,
    rank: Annotated[int, typer.Option(min=0, help="Train LoRA factors of this rank; 0 trains the weights.")] = 0,
    compare: Annotated[bool, typer.Option(help="Also do plain fine-tuning, and show what it loses.")] = False,
    size: Annotated[int, typer.Option(min=4, help="Prompts a measure.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the order, and of what is held out.")] = 0,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Fine-tune on requests and answers of your own without losing the model's refusals."""
    from dataclasses import replace

    from ..data.examples import Behaviour
    from ..data.lessons import Instruction
    from ..goals.protect import protect as learn
    from ..methods.preserve_safety import Plan
    from ..model.lm import LM
    from ..report.page import save as save_report
    from ..runs.run import Run
    from ._console import Console
    from ._safety import labelled
    from .evaluate import print_report

    console = Console(json)
    lessons = Instruction.load(tune)
    behaviour = Behaviour.load(data) if data else labelled(model)
    lm = LM.load(model, device=device, dtype=dtype)
    training: dict[str, Any] = {"steps": steps, "rate": rate, "batch": batch, "rank": rank, "seed": seed}
    settings = {"tune": str(tune), "share": share, **training}
    with Run.begin("protect", sys.argv[1:], {"model": model, **settings}, out) as run:
        with console.progress("protect") as step:
            outcome = learn(
                lm, lessons, run, behaviour=behaviour, share=share, plan=Plan(**training), compare=compare, size=size,
                say=console.say, progress=step,
            )  # fmt: skip
        report = replace(outcome.report, commands=[typed()])
        pages = save_report(report, run.path(""))
        before = report.values("before")
        run.result = ", ".join(_moved(report))
        print_report(console, report)
        if outcome.plain:
            _show_plain(console, report, outcome.plain)
    _tell(console, run, outcome, pages, before, model)


def _moved(report: Report) -> Iterator[str]:
    """Yield what was learnt and what it cost, each before and after."""
    from ..measure.units import figure

    lines = {line.name: line for line in report.lines}
    for name in ("lessons", "harmful"):
        score, unit = lines[name].score, lines[name].unit
        yield f"{name} {figure(score.before, unit)} -> {figure(score.after, unit)}"


def _show_plain(console: Console, report: Report, plain: dict[str, float]) -> None:
    """Show the figures beside those of plain fine-tuning."""
    from ..measure.units import figure

    units = {line.name: line.unit for line in report.lines}
    columns = (report.values("before"), report.values(), plain)
    rows = [[name, *(figure(values[name], units[name]) for values in columns)] for name in plain]
    console.table(["", "base", "protected", "plain fine-tuning"], rows)


def _tell(
    console: Console, run: Run, outcome: Outcome, pages: dict[str, Path], before: dict[str, float], model: str
) -> None:
    """Say what was written where."""
    patch = run.path("patch.safetensors")
    console.say(f"patch:  {patch} ({patch.stat().st_size / 1000:,.1f} kB)")
    console.say(f"report: {pages['html']}")
    console.say(f"next:   {command_line('chat', model, '--patch', patch)}")
    paths = {
        "mask": run.path("mask.safetensors"),
        "patch": patch,
        "report_html": pages["html"],
        "report_json": pages["json"],
    }
    console.result(
        {
            "base": before,
            "patched": outcome.report.values(),
            "plain": outcome.plain,
            "paths": {key: str(path) for key, path in paths.items()},
        }
    )
