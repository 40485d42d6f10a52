"""suture facts MODEL FILE: write many facts, batch by batch, all checked after each, to one checked patch and a report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..text.printable import command_line
from ._options import Device, Dtype, Json, Method, Model, Out, Set, Take
from .fact import method_of

if TYPE_CHECKING:
    from ..data.examples import Fact
    from ..data.fact_files import Survey
    from ..measure.report import Report
    from ..patch.patch import Patch
    from ..runs.run import Run
    from ..sequential.sequence import SequentialEditor
    from ..sequential.state import SequenceState
    from ._console import Console

SHOWN = 20  # sorts of mistakes of a file that are told
Conflict = Literal["newest", "oldest", "refuse"]


def facts(
    model: Model,
    file: Annotated[Path | None, typer.Argument(help="Facts, as suture edit --facts takes them.")] = None,
    method: Method = "rome",
    setting: Set = None,
    batch: Annotated[int, typer.Option(min=0, help="Facts at a time; 0 for all at once.")] = 0,
    again: Annotated[
        int, typer.Option(min=0, help="Of earlier edits that are lost, write so many again with each batch.")
    ] = 0,
    take: Take = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what is malformed or contradicts itself.")
    ] = False,
    on_conflict: Annotated[
        Conflict, typer.Option(help="Which wins when a fact contradicts an earlier edit.")
    ] = "refuse",
    limits: Annotated[
        str, typer.Option(help="When to stop: perplexity=SHARE,loops=SHARE,jump=TIMES (any of them).")
    ] = "",
    texts: Annotated[
        str | None, typer.Option(help="Neutral texts for the model's health, as --keep takes them.")
    ] = None,
    after: Annotated[Path | None, typer.Option(help="Go on from the edits in this folder; it is not changed.")] = None,
    remove: Annotated[list[int] | None, typer.Option(help="Take this edit of --after out first.")] = None,
    controls: Annotated[bool, typer.Option(help="Also measure base against base and a random patch.")] = True,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Write facts, check every one in free, greedy generation after each batch, and end with a patch and a report.

    The patch is called verified when every fact holds; exit code 4 when none does or edits were stopped.
    """
    from ..errors import UsageError
    from ..measure.health import Limits
    from ..model.lm import LM
    from ..runs.run import Run
    from ..sequential.removal import removed
    from ..sequential.sequence import SequentialEditor, edit_in_batches, resume_sequence, start_sequence
    from ._console import Console

    if file is None and not (after and remove):
        raise UsageError(
            "no facts to write", fix="Give a file: suture facts MODEL FACTS.jsonl (or --after FOLDER --remove N)"
        )
    console, bounds = Console(json), Limits.parse(limits)
    survey = surveyed(console, file, take, skip_bad) if file else None
    with Run.begin(
        "facts", sys.argv[1:], {"model": model, "method": method, "set": " ".join(setting or [])}, out
    ) as run:
        function, settings = method_of(method, setting, model, run.folder)
        lm = LM.load(model, device=device, dtype=dtype)
        surgeon = SequentialEditor(lm, function, settings, neutral(model, texts), bounds, again)
        words = dict(word.partition("=")[::2] for word in setting or [])
        course = resume_sequence(surgeon, after, run) if after else start_sequence(surgeon, lm.name, method, words, run)
        for number in remove or ():
            course = removed(surgeon, course, number, run)
        if survey is not None:
            console.say(
                f"{method} on {lm.name}: {len(survey.facts)} facts of {file}, {batch or len(survey.facts)} at a time"
            )
            with console.progress("facts") as step:
                course = edit_in_batches(
                    surgeon, course, survey.facts, run, size=batch, on_conflict=on_conflict, progress=step
                )
        finish(console, run, surgeon, course, survey, model, controls=controls)


def surveyed(console: Console, file: Path, take: int | None, skip_bad: bool) -> Survey:
    """Read a file and tell everything that is wrong with it.

    Raises:
        DataError: when something is and it may not be skipped, or nothing is left.
    """
    from ..data.fact_files import survey
    from ..errors import DataError
    from ..io.mistakes import told_once
    from ..text.printable import printable

    outcome = survey(file, take)
    lines = told_once(outcome.problems, file)
    for line in lines[:SHOWN]:
        console.err.print(printable(line), markup=False, soft_wrap=True)
    if len(lines) > SHOWN:
        console.err.print(f"... and {len(lines) - SHOWN} more")
    if not outcome.facts:
        first = outcome.problems[0]
        why = f"{first.what}. {first.why}".rstrip()
        raise DataError(f"{file}: no fact can be used", why=why, fix=first.fix or "Correct the lines above.")
    if outcome.problems and not skip_bad:
        mistakes, usable = len(outcome.problems), len(outcome.facts)
        one = mistakes == 1
        raise DataError(
            f"{file}: {mistakes} mistake{'' if one else 's'}",
            why=f"{'It is' if one else 'They are'} above; {usable} fact{'' if usable == 1 else 's'} can be used.",
            fix=f"Correct {'it' if one else 'these lines'}, or leave {'it' if one else 'them'} out: --skip-bad",
        )
    return outcome


def neutral(model: str, texts: str | None) -> list[str]:
    """Return the texts on which a model's health is measured: those given, else some of the bundled ones."""
    from ..data.bundled.neutral import neutral as bundled
    from ..data.examples import Texts

    if texts:
        return list(Texts.load(texts))
    if model == "patient":
        from ..organisms.suites import suite

        return list(next(m for m in suite("report", 24) if m.name == "perplexity").cases)
    return list(bundled("report"))[::5]


def finish(
    console: Console,
    run: Run,
    surgeon: SequentialEditor,
    course: SequenceState,
    survey: Survey | None,
    model: str,
    *,
    controls: bool,
) -> None:
    """Tell what became of each fact, write the report, and verify the patch.

    Raises:
        VerificationFailed: when edits were stopped, or none of them holds.
    """
    from ..errors import VerificationFailed
    from ..sequential.sequence import LEDGER, PATCH
    from ._said import advice

    _print_batches(console, course)
    live, patch = course.ledger.live, course.patch
    holding = [edit for edit in live if edit.status == "holds"]
    refused = [edit for edit in course.ledger.edits if edit.status == "refused"]
    run.result = f"{len(holding)} of {len(live)} facts hold"
    result = _counts(course, survey) | {"ledger": run.path(LEDGER)}
    if patch is not None and live:
        result |= _report(console, run, surgeon, course, patch, controls=controls)
    console.say(f"{run.result}; ledger: {run.path(LEDGER)}", "bold")
    if patch is not None:
        console.say(f"next: {command_line('chat', model, '--patch', run.path(PATCH))}")
    console.result(result)
    if course.stopped:
        last_good = f"The last good patch is {run.path(PATCH)}. " if patch is not None else ""
        fix = f"{last_good}Allow more (--limits), write fewer at a time (--batch), or try another --method."
        raise VerificationFailed("edits were stopped before the model breaks", why="; ".join(course.stopped), fix=fix)
    if not holding and (live or refused):
        why = f"The patch is at {run.path(PATCH)}." if patch is not None else refused[-1].note
        fix = advice(course.ledger.method, surgeon.method, surgeon.lm)
        raise VerificationFailed("none of the facts is said", why=why, fix=fix)


def _print_batches(console: Console, course: SequenceState) -> None:
    """Print what held and how the model was after each batch."""
    rows = [
        [str(check.batch), f"{sum(check.right.values())} of {len(check.right)}", f"{check.health.perplexity:.3f}",
         f"{check.health.loops:.0%}", f"{check.health.farthest:.1%}", "not kept" if check.complaints else ""]
        for check in course.checks
    ]  # fmt: skip
    console.table(["batch", "edits that hold", "perplexity", "loops", "moved", ""], rows)
    console.say(f"base: perplexity {course.base.perplexity:.3f}, loops {course.base.loops:.0%}")


def _counts(course: SequenceState, survey: Survey | None) -> dict[str, Any]:
    """Return how many edits there are of each status, and what each batch did."""
    edits = course.ledger.edits
    return {
        "edits": len(course.ledger.live),
        "holds": sum(edit.status == "holds" for edit in course.ledger.live),
        **{name: sum(e.status == name for e in edits) for name in ("lost", "superseded", "refused", "removed")},
        "skipped": [problem.what for problem in survey.problems] if survey else [],
        "batches": [
            {"batch": check.batch, "right": sum(check.right.values()), "of": len(check.right), **check.health.plain(),
             "complaints": check.complaints}
            for check in course.checks
        ],
    }  # fmt: skip


def _report(
    console: Console, run: Run, surgeon: SequentialEditor, course: SequenceState, patch: Patch, *, controls: bool
) -> dict[str, Any]:
    """Write the report, tell what became of each fact, verify the patch; return the figures."""
    from ..io.files import sha256
    from ..report.page import save as save_report
    from ..sequential.sequence import PATCH
    from ._said import print_said
    from .evaluate import print_report

    path = run.path(PATCH)
    facts = [edit.fact for edit in course.ledger.live]
    report, texts = reported(console, run, surgeon, course, patch, facts, controls=controls)
    pages = save_report(report, run.path(""))
    print_report(console, report)
    print_said(console, texts)
    console.say(f"neighbours: {report.extra['neighbours']}")
    digest, effect, figures = sha256(path), patch.verify(surgeon.lm), report.values()
    right = sum(text["right"] for text in texts)
    kind = "verified patch" if right == len(texts) else f"patch, of whose facts {right} of {len(texts)} hold"
    console.say(f"{kind}: {path} ({path.stat().st_size / 1000:,.1f} kB, sha256 {digest[:16]}..)")
    console.say(f"report: {pages['html']}")
    return {
        "patch": path, "sha256": digest, "effect": effect, "report": pages["html"], "texts": texts, "figures": figures
    }  # fmt: skip


def reported(
    console: Console,
    run: Run,
    surgeon: SequentialEditor,
    course: SequenceState,
    patch: Patch,
    live_facts: list[Fact],
    *,
    controls: bool,
) -> tuple[Report, list[dict[str, Any]]]:
    """Measure the sum of all edits, and return the report and each fact's text before and after."""
    from dataclasses import replace

    from ..io.json_files import read_json, write_json
    from ..measure.evaluation import evaluate
    from ..measure.health import by_block
    from ..measure.report import Report, Sample
    from ..measure.suites.facts import fact_suite
    from ..text.phase import begin, counted
    from ._options import typed
    from ._said import said

    lm = surgeon.lm
    pairs = [(fact.prompt, fact.target) for fact in live_facts]
    with console.progress("measuring") as step:
        asking, measuring = counted(step, ["ask for each fact", "measure"])
        begin(asking)
        texts = run.stage("said", lambda: said(lm, patch, pairs), write_json, read_json, suffix=".json")

        def figures() -> Report:
            suite = fact_suite(live_facts, texts=surgeon.texts)
            return evaluate(lm, patch, suite, controls=controls, progress=measuring)

        report = run.stage("figures", figures, Report.write, Report.load, suffix=".json")
    samples = [
        Sample(s["prompt"], s["before"], s["after"], f"wanted: {s['target']}", "right" if s["right"] else "wrong")
        for s in texts
    ]
    lines = [replace(line, samples=samples) if line.name == "success" else line for line in report.lines]
    checks = [check for check in course.checks if check.right and not check.complaints]
    curve = {len(c.right): {"edits that hold": sum(c.right.values()) / len(c.right)} for c in checks}
    full_report = replace(
        report, method=course.ledger.method, settings=course.ledger.settings, lines=lines, target="success", commands=[typed()],
        curve=curve, moved=by_block(lm, patch),
        extra={**report.extra, "edits": texts, "neighbours": _neighbours(live_facts), **console.noted},
    )  # fmt: skip
    return full_report, texts


def _neighbours(live_facts: list[Fact]) -> str:
    """Return how many facts brought neighbours, without which nobody knows what a change does to them."""
    count = sum(bool(fact.neighbours) for fact in live_facts)
    return f"given for {count} of {len(live_facts)} facts" if count else "none given, not judged"
