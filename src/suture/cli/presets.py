"""suture detox | harden | attitude ... MODEL: reach a goal without being told a setting."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .. import registry
from ..text.printable import command_line
from ._options import Device, Dtype, Json, LabelColumn, Model, Out, TextColumn, Threshold, Unwanted, typed

if TYPE_CHECKING:
    from ..goals.pipeline import Outcome
    from ..goals.schema import Method
    from ..measure.report import Report
    from ..runs.run import Run
    from ._console import Console

FAST, FEW = 1, 24  # of --fast: settings of surgery tried, prompts a measure
FEWER = {"trials": FAST, "tune": FEW, "report": FEW}


def preset(name: str) -> Callable[..., None]:
    """Return the command of a goal."""
    both_ways, default = goes_both_ways(name), registry.get("goal", name)()
    choosable = len(default.methods) > 1

    def command(
        model: Model,
        data: Annotated[str | None, typer.Option(help="Own labelled texts instead of the bundled ones.")] = None,
        prompts: Annotated[
            str | None,
            typer.Option(help="Own prompts: a text a line, .jsonl, .json or .csv. Half choose, half report."),
        ] = None,
        toward: Literal["positive", "negative"] = "positive",
        judge: Annotated[
            list[str] | None,
            typer.Option(help="Another judge than ours, as in suture eval; of several the first decides, all report."),
        ] = None,
        budget: Annotated[
            str, typer.Option(help="What it may cost: kl=NATS,points=SHARE,perplexity=SHARE (any of them).")
        ] = "",
        keep: Annotated[
            str | None, typer.Option(help="Own neutral texts that shall stay as they are, instead of the bundled ones.")
        ] = None,
        trials: Annotated[
            int, typer.Option(min=1, help="Settings of surgery tried, a third of them on more prompts.")
        ] = default.trials,
        tune: Annotated[int, typer.Option(min=4, help="Prompts a measure while settings are chosen.")] = 60,
        report: Annotated[int, typer.Option(min=4, help="Prompts a measure in the report.")] = 200,
        methods: str = "",
        fast: Annotated[
            bool, typer.Option("--fast", help=f"{FAST} setting of surgery, the paper's, and {FEW} prompts a measure.")
        ] = False,
        seed: Annotated[int, typer.Option(help="Of the probe's split, the search and the control.")] = 0,
        text_column: TextColumn = None,
        label_column: LabelColumn = None,
        unwanted: Unwanted = None,
        threshold: Threshold = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        import time

        from ..data.examples import Behaviour, Texts
        from ..goals.pipeline import ALLOWED, reach
        from ..goals.resolve import goal
        from ..measure.budget import Budget
        from ..model.lm import BUNDLED, LM
        from ..runs.run import Run
        from ._console import Console

        console, start = Console(json), time.monotonic()
        check_way(name, toward)
        allowed = Budget.parse(budget, **ALLOWED)
        behaviour = (
            Behaviour.load(data, text=text_column, label=label_column, unwanted=unwanted, threshold=threshold)
            if data
            else None
        )
        prompt_texts = list(Texts.load(prompts)) if prompts else None
        kept = Texts.load(keep) if keep else None
        if fast:
            trials, tune, report = min(trials, FAST), min(tune, FEW), min(report, FEW)
        lm = LM.load(model, device=device, dtype=dtype)
        way = toward if both_ways else None
        aim = goal(
            name,
            lm,
            toward=way,
            data=behaviour,
            prompts=prompt_texts,
            keep=kept,
            judge=judge or None,
            tune=tune,
            report=report,
        )
        settings = {"toward": toward, "budget": budget, "trials": trials, "tune": tune, "report": report, "seed": seed}
        chosen = chosen_methods(methods) if methods else aim.methods
        settings |= {"methods": ",".join(chosen)} if choosable else {}
        search: dict[str, Any] = {"budget": allowed, "trials": trials, "seed": seed}
        search |= {"methods": chosen} if choosable else {}
        with Run.begin(name, sys.argv[1:], {"model": model, **settings}, out) as run:
            with console.progress(name) as step:
                outcome = reach(lm, aim, run, **search, say=console.say, progress=step)
            source = data or f"{'patient' if model in BUNDLED else 'bundled'}:{aim.behaviour.name}"
            finish(console, run, model, source, outcome, time.monotonic() - start)
        check_effect(outcome.report)

    option = typer.Option(help="Which attitude.", hidden=not both_ways)
    command.__annotations__["toward"] = Annotated[Literal["positive", "negative"], option]
    among = f"Which methods to choose among; by default {', '.join(default.methods)}."
    option = typer.Option(help=among, hidden=not choosable)
    command.__annotations__["methods"] = Annotated[str, option]
    about = registry.about("goal", name)
    command.__doc__ = f"{about} Finds settings and strength within a budget, verifies, writes patch and report."
    return command


def goes_both_ways(name: str) -> bool:
    """Return whether a goal can be told which way."""
    return bool(inspect.signature(registry.get("goal", name)).parameters)


def check_way(name: str, toward: str) -> None:
    """Raise UsageError when a goal that goes one way is asked to go the other."""
    from ..errors import UsageError

    if toward != "positive" and not goes_both_ways(name):
        raise UsageError(f"{name} goes one way", fix="Leave out --toward; suture attitude goes both ways.")


def chosen_methods(text: str) -> list[Method]:
    """Read the names of methods, as the command line has them."""
    from ..errors import UsageError
    from ..goals.schema import METHODS

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or set(names) - set(METHODS):
        raise UsageError(f"{text!r} names no methods to choose among", fix=f"Known: {', '.join(METHODS)}.")
    return [name for name in METHODS if name in names]


def check_effect(report: Report) -> None:
    """Raise VerificationFailed when prompts that chose nothing do not surely show what an edit was made for."""
    from ..errors import VerificationFailed
    from ..measure.units import difference, figure
    from ..report.words import verdict

    line = report.aim
    assert line is not None
    if verdict(line) != "good":
        before, after = figure(line.score.before, line.unit), figure(line.score.after, line.unit)
        raise VerificationFailed(
            "on prompts that chose nothing the patch does not surely do what it was made for",
            why=f"{line.about}: {before} before, {after} after, {difference(line.score, line.unit)}, n = {line.score.cases}.",
            fix="Read the report. More prompts tell more (`report`, `tune`), a larger `budget` or better texts (`data`) do more.",
        )


def finish(console: Console, run: Run, model: str, data: str, outcome: Outcome, seconds: float) -> None:
    """Write the report with the commands that make its edit again, and tell what came of it."""
    from dataclasses import replace

    from ..goals.measures import ELSEWHERE
    from ..report.page import save as save_report
    from ._again import made_again
    from .evaluate import print_report

    patch = run.path("patch.safetensors")
    again, files = made_again(run, model, data, outcome.patch.provenance, outcome.chosen)
    evaluated = shlex.join(["suture", "eval", model, "--patch", str(patch)])
    commands = [typed(), "# the edit alone, then its figures", *again, evaluated]
    report = replace(
        outcome.report, commands=commands, extra={**outcome.report.extra, "seconds": seconds, **console.noted}
    )
    pages = save_report(report, run.path(""))
    print_report(console, report)
    line = report.aim
    assert line is not None
    run.result = f"{line.about}: {line.score.before:.1%} -> {line.score.after:.1%}"
    for other in report.lines:
        if other.name == f"{line.name}{ELSEWHERE}":
            run.result += f"; elsewhere {other.score.before:.1%} -> {other.score.after:.1%}"
    for sample in sorted(line.samples, key=lambda s: s.before_label == s.after_label)[:2]:
        console.say(f"  prompt  {sample.prompt}", "bold")
        console.say(f"  before  {sample.before.strip()}")
        console.say(f"  after   {sample.after.strip()}\n")
    console.say(f"patch:  {patch} ({patch.stat().st_size / 1000:,.1f} kB)")
    console.say(f"report: {pages['html']}   ({seconds:.0f} s)")
    console.say(f"next:   {command_line('chat', model, '--patch', patch)}")
    paths = {
        **files,
        "patch": patch,
        "report_html": pages["html"],
        "report_json": pages["json"],
    }
    console.result(
        {
            "base": report.values("before"),
            "patched": report.values(),
            "chosen": outcome.chosen,
            "points": len(outcome.search.points),
            "seconds": seconds,
            "paths": {key: str(path) for key, path in paths.items()},
        }
    )
