"""suture eval: measure a model, or what a patch changes in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import Device, Dtype, Json, Model, Out, typed

if TYPE_CHECKING:
    from ..measure.evaluation import Baseline
    from ..measure.panel import Panel
    from ..measure.report import Report
    from ..measure.suite import Suite
    from ..measure.suites.ripples import Ripple
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
    from dataclasses import replace

    from ..data.examples import Fact
    from ..errors import UsageError
    from ..measure.evaluation import evaluate as measure
    from ..measure.evaluation import observe
    from ..measure.suite import chosen, named
    from ..measure.suites.facts import suite as asking
    from ..measure.suites.multi_hop import load as through
    from ..measure.suites.multi_hop import suite as asking_through
    from ..measure.suites.ripples import load as read_ripples
    from ..measure.suites.safety import suite as safe
    from ..measure.suites.safety import unique
    from ..memory import Memory
    from ..model.lm import LM
    from ..report.page import check_free
    from ..report.page import save as save_report
    from ..runs.run import new_folder
    from ._console import Console
    from ._doses import dosed, print_doses, strengths
    from ._inputs import load_patch

    console = Console(json)
    if out is not None:
        check_free(out)
        if patch is None and memory is None:
            raise UsageError(
                "nothing to compare", why="-o is for a report of what a patch changes.", fix="Add --patch FILE."
            )
    change, at = load_patch(patch, scale), strengths(doses)
    if at and change is None:
        raise UsageError("--doses are of a patch", why="None was given.", fix="Add --patch FILE.")
    if references and not facts:
        raise UsageError("--references are for --facts", why="None were given.", fix="Add --facts FILE.")
    shelf = Memory.load(memory) if memory else None
    known = [*(Fact.load(facts, take=size, references=references) if facts else ()), *(shelf.facts if shelf else ())]
    measures = asking(list(dict.fromkeys(known))) if known else []
    if hops:
        measures += asking_through(through(hops, take=size))
    tests = read_ripples(ripples, take=size) if ripples else []
    if safety:
        behind = _suffix(suffix, change)
        measures += safe(safety, judge or (), size=size, suffix=behind, tokens=tokens)
    if suite or texts or prompts or not (measures or tasks or tests):
        measures = unique(
            [*measures, *chosen(model, suite, texts, prompts, judge or ["refusal"], chat=chat, size=size)]
        )
    if target and not tests:
        named(measures, target)
    lm = LM.load(model, device=device, dtype=dtype)
    if change is not None:
        change.check_base(lm)  # before anything is measured in vain
    if tests:
        measures += _ripples(console, lm, tests, alone=not (measures or tasks))
        if target:
            named(measures, target)
    harness = _harness(console, lm, change, tasks, limit)
    if not measures:
        console.result({"model": lm.name, **harness})
        return
    with console.progress("measuring") as step:
        before = observe(lm, measures, step)
        if change is None and shelf is None:
            _print_base(console, lm, measures, before, harness)
            return
        report = measure(lm, change, measures, baseline=before, beside=shelf, controls=controls, progress=step)
        report = replace(report, target=target)
        if at and change is not None:
            report = dosed(lm, change, at, measures, before, report, step)
    report = replace(report, commands=[typed()], extra={**report.extra, **harness, **console.noted})
    print_report(console, report)
    print_doses(console, report)
    paths = save_report(report, out or new_folder("eval"))
    console.say(f"wrote {paths['html']} and {paths['json'].name} beside it")
    result: dict[str, Any] = {
        "model": lm.name,
        "base": report.values("before"),
        "patched": report.values(),
        "report": str(paths["html"]),
    }
    if at:
        result["doses"] = {f"{strength:g}": found for strength, found in report.doses.items()}
    console.result({**result, **report.extra})


def _print_base(console: Console, lm: LM, measures: Suite, seen: Baseline, harness: dict[str, Any]) -> None:
    """Print what a model is like without any patch."""
    from ..measure.evaluation import values
    from ..measure.panel import panel

    found, judges = values(seen, measures), panel(measures, seen)
    console.table(["property", "value"], [[m.about, f"{found[m.name]:.4f}"] for m in measures], lm.name)
    print_panel(console, judges, "Judges")
    own = {"judges": {"base": judges}} if judges else {}
    console.result({"model": lm.name, "base": found, **own, **harness})


def _ripples(console: Console, lm: LM, tests: list[Ripple], *, alone: bool) -> Suite:
    """Return the measures of the tests whose conditions the base meets, after saying how many these are.

    Raises:
        UsageError: when there are none, and nothing else is measured.
    """
    from ..measure.suites.ripples import executable
    from ..measure.suites.ripples import suite as rippling

    with console.progress("conditions") as step:
        asked = executable(lm, tests, step)
    console.say(f"{len(asked)} of {len(tests)} tests of ripples can be asked: the model knows what they rest on")
    return rippling(asked) if asked or alone else []


def _suffix(asked: str, patch: Patch | None) -> str:
    """Return the text behind requests that --suffix means."""
    from ..data.instances import SUFFIX
    from ..errors import UsageError

    if asked != "patch":
        return SUFFIX if asked == "paper" else asked
    made = patch.provenance.settings.get("suffix") if patch else None
    if not made:
        raise UsageError("the patch was made without a suffix", fix='Leave out --suffix, or give a text or "paper".')
    return str(made)


def _harness(console: Console, lm: LM, patch: Patch | None, tasks: str, limit: int | None) -> dict[str, Any]:
    """Run tasks of the harness on base and patched model, print them, and return them for the JSON."""
    if not tasks:
        return {}
    from ..measure import harness

    names = [name.strip() for name in tasks.split(",") if name.strip()]
    found = {"base": harness.run(lm, names, limit=limit)}
    if patch:
        found["patched"] = harness.run(lm, names, limit=limit, patch=patch)
    rows = [
        [f"{task} {metric}", *(f"{each[task][metric]:.4f}" for each in found.values())]
        for task, metrics in found["base"].items()
        for metric in metrics
    ]
    console.table(["task", *found], rows, "lm-evaluation-harness")
    return {"tasks": found}


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
    for when, found in report.extra.get("judges", {}).items():
        print_panel(console, found, f"Judges, {when}")


def print_panel(console: Console, found: Panel, title: str) -> None:
    """Print what several judges say of the same texts, if several do."""
    from ..measure.panel import tables

    for columns, rows in tables(found):
        console.table(columns, rows, title)
        console.say()
