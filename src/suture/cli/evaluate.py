"""suture eval: measure a model, or what a patch changes in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import Device, Dtype, Json, Model, Out, typed

if TYPE_CHECKING:
    from ..measure.panel import Panel
    from ..measure.report import Report
    from ..measure.suite import Suite
    from ..measure.suites.ripples import Ripple
    from ..memory import Memory
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ._console import Console

JUDGES = (
    "refusal (the default), toxicity, sentiment, linear:FOLDER, hf:NAME@label=toxic, detoxify, openai:MODEL@URL#refusal or "
    "words:wanted.txt,unwanted.txt. May be given several times: the first decides, all are compared."
)
SAFETY = (
    "Files of attacks (AdvBench, HarmBench, JailbreakBench or a prompt a line), XSTest, RealToxicityPrompts, ToxiGen or "
    'SafeEdit, told by their columns or as KIND:PATH; or "patient". Several may be given.'
)
SUFFIXED = (
    "Measure the requests of --safety also with this text behind them; 'paper' is that of DINM, 'patch' the one the patch "
    "was made with."
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
    safety: Annotated[list[str] | None, typer.Option(help=SAFETY)] = None,
    suffix: Annotated[str, typer.Option(help=SUFFIXED)] = "",
    tokens: Annotated[int, typer.Option(min=1, help="Longest answer to a request of --safety.")] = 64,
    tasks: Annotated[str, typer.Option(help="Also these tasks of lm-evaluation-harness: arc_easy,hellaswag.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many documents of each task.")] = None,
    memory: Annotated[
        Path | None, typer.Option(help="A memory of facts (suture memory) that is read, too; its facts are measured.")
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(help="Facts to ask for: in their own words, in others, and their neighbours.")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Texts by object, which free texts about the subjects of --facts should come to resemble."),
    ] = None,
    hops: Annotated[Path | None, typer.Option(help="A file of MQuAKE: questions over several facts.")] = None,
    ripples: Annotated[
        Path | None,
        typer.Option(help="A file of RippleEdits or KnowEdit: what follows from an edit, and what must not."),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Prompts a measure.")] = 200,
    doses: Annotated[
        str, typer.Option(help='Also at these strengths, for the curve of dose and response: "0.25,0.5,1,1.5".')
    ] = "",
    target: Annotated[
        str | None, typer.Option(help="The measure that was to move, by its name; by default the one that did most.")
    ] = None,
    controls: Annotated[bool, typer.Option(help="Also measure base against base and a random patch.")] = True,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Measure a model before and after a patch, or with a memory of facts beside it, with intervals and controls."""
    from ..measure.suite import measure_named, suite_from
    from ..measure.suites.multi_hop import hop_suite, load_hops
    from ..measure.suites.ripples import load_ripples
    from ..measure.suites.safety import safety_suite, unique
    from ..memory import Memory
    from ..model.lm import LM
    from ._console import Console
    from ._inputs import load_patch
    from ._strength_sweep import strengths

    console, change, at = Console(json), load_patch(patch, model, scale), strengths(doses)
    _check_options(out, change, memory, at, references, facts)
    shelf = Memory.load(memory) if memory else None
    measures = _facts(facts, references, size, shelf, chat=chat)
    if hops:
        measures += hop_suite(load_hops(hops, take=size), chat=chat)
    tests = load_ripples(ripples, take=size) if ripples else []
    if safety:
        measures += safety_suite(safety, judge or (), size=size, suffix=_suffix(suffix, change), tokens=tokens)
    if suite or texts or prompts or not (measures or tasks or tests):
        more = suite_from(model, suite, texts, prompts, judge or ["refusal"], chat=chat, size=size)
        measures = unique([*measures, *more])
    if target and not tests:
        measure_named(measures, target)
    lm = LM.load(model, device=device, dtype=dtype)
    if change is not None:
        change.check_base(lm)  # before anything is measured in vain
    if tests:
        measures += _ripples(console, lm, tests, alone=not (measures or tasks), chat=chat)
        if target:
            measure_named(measures, target)
    harness = _harness(console, lm, change, tasks, limit)
    if not measures:
        console.result({"model": lm.name, **harness})
    elif change is None and shelf is None:
        _print_base(console, lm, measures, harness)
    else:
        report = _measure(console, lm, measures, change, shelf, at, target, controls=controls)
        _finish(console, report, harness, out, at)


def _check_options(
    out: Path | None,
    patch: Patch | None,
    memory: Path | None,
    strengths: Sequence[float],
    references: Path | None,
    facts: Path | None,
) -> None:
    """Raise UsageError when options do not go together."""
    from ..errors import UsageError
    from ..report.page import check_free

    if out is not None:
        check_free(out)
        if patch is None and memory is None:
            why = "-o is for a report of what a patch changes."
            raise UsageError("nothing to compare", why=why, fix="Add --patch FILE.")
    if strengths and patch is None:
        raise UsageError("--doses are of a patch", why="None was given.", fix="Add --patch FILE.")
    if references and not facts:
        raise UsageError("--references are for --facts", why="None were given.", fix="Add --facts FILE.")


def _facts(file: Path | None, references: Path | None, size: int, memory: Memory | None, *, chat: bool) -> Suite:
    """Return the measures of the facts of a file and of a memory."""
    from ..data.examples import Fact
    from ..measure.suites.facts import fact_suite

    file_facts = Fact.load(file, take=size, references=references) if file else []
    facts = list(dict.fromkeys([*file_facts, *(memory.facts if memory else ())]))
    return fact_suite(facts, chat=chat) if facts else []


def _measure(
    console: Console,
    lm: LM,
    measures: Suite,
    patch: Patch | None,
    memory: Memory | None,
    strengths: Sequence[float],
    target: str | None,
    *,
    controls: bool,
) -> Report:
    """Return what a patch, a memory, or both change."""
    from ..measure.evaluation import evaluate, observe
    from ..text.phase import counted
    from ._strength_sweep import dosed

    with console.progress("measuring") as step:
        if not strengths or patch is None:
            report = evaluate(lm, patch, measures, beside=memory, controls=controls, progress=step)
            return replace(report, target=target)
        base, edited, several = counted(step, ["base", "patch", "strengths"])
        before = observe(lm, measures, base)
        report = evaluate(lm, patch, measures, baseline=before, beside=memory, controls=controls, progress=edited)
        return dosed(lm, patch, strengths, measures, before, replace(report, target=target), several)


def _finish(
    console: Console, report: Report, harness: dict[str, Any], out: Path | None, strengths: Sequence[float]
) -> None:
    """Print and write a report."""
    from ..report.page import save as save_report
    from ..runs.run import new_folder
    from ._strength_sweep import print_doses

    report = replace(report, commands=[typed()], extra={**report.extra, **harness, **console.noted})
    print_report(console, report)
    print_doses(console, report)
    paths = save_report(report, out or new_folder("eval"))
    console.say(f"wrote {paths['html']} and {paths['json'].name} beside it")
    figures = {"base": report.values("before"), "patched": report.values(), "report": str(paths["html"])}
    doses = {"doses": {f"{strength:g}": values for strength, values in report.doses.items()}} if strengths else {}
    console.result({"model": report.model, **figures, **doses, **report.extra})


def _print_base(console: Console, lm: LM, measures: Suite, harness: dict[str, Any]) -> None:
    """Measure and print what a model is like without any patch."""
    from ..measure.evaluation import observe, values
    from ..measure.panel import panel
    from ..measure.units import figure

    with console.progress("measuring") as step:
        observations = observe(lm, measures, step)
    figures, judges = values(observations, measures), panel(measures, observations)
    rows = [[f"{m.about} ({m.name})", figure(figures[m.name], m.unit), str(len(m))] for m in measures]
    console.table(["property", "value", "n"], rows, lm.name)
    print_panel(console, judges, "Judges")
    extra = {"judges": {"base": judges}} if judges else {}
    console.result({"model": lm.name, "base": figures, **extra, **harness})


def _ripples(console: Console, lm: LM, tests: list[Ripple], *, alone: bool, chat: bool) -> Suite:
    """Return the measures of the tests whose conditions the base meets, after saying how many these are.

    Raises:
        UsageError: when there are none, and nothing else is measured.
    """
    from ..measure.suites.ripples import executable, ripple_suite

    with console.progress("conditions") as step:
        askable = executable(lm, tests, step, chat=chat)
    console.say(f"{len(askable)} of {len(tests)} tests of ripples can be asked: the model knows what they rest on")
    return ripple_suite(askable, chat=chat) if askable or alone else []


def _suffix(suffix: str, patch: Patch | None) -> str:
    """Return the text behind requests that --suffix means."""
    from ..data.instances import SUFFIX
    from ..errors import UsageError

    if suffix != "patch":
        return SUFFIX if suffix == "paper" else suffix
    patch_suffix = patch.provenance.settings.get("suffix") if patch else None
    if not patch_suffix:
        raise UsageError("the patch was made without a suffix", fix='Leave out --suffix, or give a text or "paper".')
    return str(patch_suffix)


def _harness(console: Console, lm: LM, patch: Patch | None, tasks: str, limit: int | None) -> dict[str, Any]:
    """Run tasks of the harness on base and patched model, print them, and return them for the JSON."""
    if not tasks:
        return {}
    from ..measure import harness

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    figures = {"base": harness.run(lm, names, limit=limit)}
    if patch:
        figures["patched"] = harness.run(lm, names, limit=limit, patch=patch)
    rows = [
        [f"{task} {metric}", *(f"{side[task][metric]:.4f}" for side in figures.values())]
        for task, metrics in figures["base"].items()
        for metric in metrics
    ]
    console.table(["task", *figures], rows, "lm-evaluation-harness")
    return {"tasks": figures}


def print_report(console: Console, report: Report) -> None:
    """Print a report's lines as a table."""
    from ..measure.report import ROLES
    from ..measure.units import difference, figure

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
    for when, panel in report.extra.get("judges", {}).items():
        print_panel(console, panel, f"Judges, {when}")


def print_panel(console: Console, panel: Panel, title: str) -> None:
    """Print what several judges say of the same texts, if several do."""
    from ..measure.panel import tables

    for columns, rows in tables(panel):
        console.table(columns, rows, title)
        console.say()
