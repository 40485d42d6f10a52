"""suture eval: measure a model, or what a patch changes in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import Device, Dtype, Json, Model, Out, typed

if TYPE_CHECKING:
    from ..panel import Panel
    from ..report import Report
    from ._console import Console

JUDGES = (
    "refusal (the default), toxicity, sentiment, linear:FOLDER, hf:NAME@label=toxic, detoxify, openai:MODEL@URL#refusal or "
    "words:wanted.txt,unwanted.txt. May be given several times: the first decides, all are compared."
)


def evaluate(
    model: Model,
    patch: Annotated[list[Path] | None, typer.Option(help="Patches, applied together; none measures the base.")] = None,
    scale: Annotated[float, typer.Option(help="Strength of the patches.")] = 1.0,
    suite: Annotated[str | None, typer.Option(help='"patient" (its report split) or "patient:tune".')] = None,
    texts: Annotated[Path | None, typer.Option(help="Neutral texts, one a line: perplexity and drift.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts, one a line, to be continued and judged.")] = None,
    judge: Annotated[list[str] | None, typer.Option(help=JUDGES)] = None,
    chat: Annotated[bool, typer.Option(help="Write the prompts with the chat template.")] = False,
    size: Annotated[int, typer.Option(help="Prompts a measure.")] = 200,
    controls: Annotated[bool, typer.Option(help="Also measure base against base and a random patch.")] = True,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Measure a model before and after a patch, with intervals and controls."""
    from dataclasses import replace

    from ..evaluation import evaluate as measure
    from ..evaluation import observe, values
    from ..lm import LM
    from ..panel import panel
    from ..runs import new_folder
    from ..suite import chosen
    from ._console import Console
    from ._inputs import load_patch

    console = Console(json)
    change = load_patch(patch, scale)
    measures = chosen(model, suite, texts, prompts, judge or ["refusal"], chat=chat, size=size)
    lm = LM.load(model, device=device, dtype=dtype)
    with console.progress("measuring") as step:
        if change is None:
            seen = observe(lm, measures, step)
            found, judges = values(seen, measures), panel(measures, seen)
            console.table(["property", "value"], [[m.about, f"{found[m.name]:.4f}"] for m in measures], lm.name)
            print_panel(console, judges, "Judges")
            console.result({"model": lm.name, "base": found, **({"judges": {"base": judges}} if judges else {})})
            return
        report = measure(lm, change, measures, controls=controls, progress=step)
    report = replace(report, commands=[typed()])
    print_report(console, report)
    paths = report.save(out or new_folder("eval"))
    console.say(f"wrote {paths['html']} and {paths['json'].name} beside it")
    result = {
        "model": lm.name,
        "base": report.values("before"),
        "patched": report.values(),
        "report": str(paths["html"]),
    }
    console.result({**result, **report.extra})


def print_report(console: Console, report: Report) -> None:
    """Print a report's lines as a table."""
    from ..report import ROLES, difference, figure

    for role, title in ROLES.items():
        rows = [
            [
                f"{line.about} ({line.name})",
                figure(line.score.before, line.unit),
                figure(line.score.after, line.unit),
                difference(line.score, line.unit),
                difference(line.random, line.unit) if line.random else "-",
                str(line.score.cases),
            ]
            for line in report.of_role(role)
        ]
        if rows:
            console.table([title, "base", "edited", "change [95 %]", "random patch", "n"], rows)
            console.say()
    for when, found in report.extra.get("judges", {}).items():
        print_panel(console, found, f"Judges, {when}")


def print_panel(console: Console, found: Panel, title: str) -> None:
    """Print what several judges say of the same texts, if several do."""
    from ..panel import tables

    for columns, rows in tables(found):
        console.table(columns, rows, title)
        console.say()
