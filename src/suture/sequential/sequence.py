"""Edits one batch after the other: each on the model with those before it, all of them checked after each, stopped in time.

    patch_n = patch_(n-1) + method(model with patch_(n-1), batch n)
The sum is a patch of the base model. After each batch every edit so far is asked again in free generation, and the model's health
is measured; a batch that takes it beyond its limits is not kept, and the last good patch stands. What was found lost can be
written again with the next batch (`SequentialEditor.again`). `removal` takes one edit out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from ..data.examples import Fact
from ..errors import NoEffect, UsageError
from ..io import tensorfile
from ..measure.health import Health, Limits, examine
from ..memory.entries import is_codebook, weights_alone, without_prompts
from ..memory.hybrid import rebased
from ..metrics import completion
from ..model.lm import LM
from ..model.run.context import check_length
from ..patch import file as patch_file
from ..patch.patch import Patch
from ..runs.run import Run
from ..text.phase import Progress
from .ledger import Edit, Ledger, OnConflict
from .state import Check, SequenceState

LEDGER, PATCH = "ledger.jsonl", "patch.safetensors"
Method = Callable[..., Patch]


@dataclass(frozen=True, eq=False)
class SequentialEditor:
    """What a sequence is carried out with.

    Attributes:
        lm: the base model; not changed.
        method: the method.
        settings: of the method.
        texts: neutral ones, for the health of the model.
        limits: beyond which edits stop.
        again: edits that are lost, at most so many, are written once more with each batch; 0 for none.
    """

    lm: LM
    method: Method
    settings: dict[str, Any]
    texts: Sequence[str]
    limits: Limits = field(default_factory=Limits)
    again: int = 0

    def made(self, facts: Sequence[Fact], before: Patch | None, earlier: Sequence[Fact]) -> Patch:
        """Return the change that writes facts into the model as `before` leaves it, as a patch of the base model.

        A method that takes earlier facts ("previous", as AlphaEdit does) is told of them.
        """
        options = {"previous": list(earlier)} if earlier and takes_earlier(self.method) else {}
        weights = weights_alone(before)
        with weights.applied(self.lm) if weights else nullcontext():
            patch = self.method(self.lm, list(facts), **{**self.settings, **options})
        return rebased(self.lm, patch) if weights else patch

    def check(self, course: SequenceState, patch: Patch | None, edits: Sequence[Edit], batch: int) -> Check:
        """Ask for every edit in free generation, and examine the model."""
        right: list[bool] = []
        if edits:
            cases = completion.Cases([e.fact.prompt for e in edits], [e.fact.target for e in edits])
            with patch.used(self.lm) if patch else nullcontext():
                right = [bool(value) for value in completion.observe(self.lm, cases).values]
        health = examine(self.lm, patch, self.texts)
        healths = [earlier.health for earlier in course.checks if not earlier.complaints]
        by_number = {edit.number: good for edit, good in zip(edits, right, strict=True)}
        return Check(batch, by_number, health, tuple(health.complaints(course.base, self.limits, healths)))


def edit_in_batches(
    surgeon: SequentialEditor,
    course: SequenceState,
    facts: Sequence[Fact],
    run: Run,
    *,
    size: int,
    on_conflict: OnConflict = "refuse",
    progress: Progress | None = None,
) -> SequenceState:
    """Write facts batch by batch; each batch and what was found after it are stages of a run, so that it can be continued.

    Args:
        surgeon: model, method and limits.
        course: where to begin; see `start_sequence`.
        facts: what to write, in order.
        run: where patches, checks, ledger and the sum go.
        size: facts a batch; 0 for all at once.
        on_conflict: what becomes of a fact that contradicts an earlier edit; see `Ledger.admitted`.
        progress: called with (what, facts done, of).

    Raises:
        UsageError: for a conflict, when so asked.
        DataError: for a fact that is longer than the model reads, before any is written.
    """
    size = size or len(facts)
    check_length(surgeon.lm, surgeon.lm.encode_prompts([f"{fact.prompt} {fact.target}" for fact in facts]))
    copy_earlier_files(course, run)
    for begin in range(0, len(facts), size):
        part = list(facts[begin : begin + size])
        if progress:
            progress(f"write: batch {begin // size + 1} of {-(-len(facts) // size)}", begin, len(facts))
        course = _batch(surgeon, course, part, run, on_conflict)
        save_sequence(course, run)
        if course.stopped:
            break
    if progress and not course.stopped:
        progress("write: all batches", len(facts), len(facts))
    return course


def start_sequence(
    surgeon: SequentialEditor, model: str, method: str, settings: dict[str, Any], run: Run | None = None
) -> SequenceState:
    """Return a course without edits; the base model is examined."""
    return SequenceState(Ledger(model, method, settings), {}, (), _base(surgeon, run))


def resume_sequence(surgeon: SequentialEditor, folder: Path, run: Run | None = None) -> SequenceState:
    """Return the course that a folder holds, to be continued in a run's folder.

    Raises:
        DataError: when it holds none, or not all of it.
    """
    ledger = Ledger.load(folder / LEDGER)
    patches = {batch: Patch.load(folder / name) for batch, name in ledger.files.items()}
    for patch in patches.values():
        patch.check_base(surgeon.lm)
    files = [folder / f"check-{batch:03}.json" for batch in range(1, ledger.batches + 1)]
    checks = tuple(Check.load(file) for file in files if file.is_file())
    return SequenceState(ledger, _freed(surgeon.lm, patches, ledger), checks, _base(surgeon, run))


def _check_folder(run: Run) -> None:
    if run.folder is None:
        raise UsageError(
            "edits in batches write several files", why="`out` names one of them.", fix="Give a folder: `out=NAME`"
        )


def _base(surgeon: SequentialEditor, run: Run | None) -> Health:
    """Examine the base model: a stage of the run, if there is one."""
    if run is None:
        return examine(surgeon.lm, None, surgeon.texts)
    _check_folder(run)
    return run.stage("base", lambda: examine(surgeon.lm, None, surgeon.texts), Health.save, Health.load, suffix=".json")


def takes_earlier(method: Method) -> bool:
    """Return whether a method can be told of the facts that were written before."""
    parameter = inspect.signature(method, eval_str=True).parameters.get("previous")
    return parameter is not None and "Fact" in str(parameter.annotation)


def _batch(
    surgeon: SequentialEditor, course: SequenceState, facts: list[Fact], run: Run, on_conflict: OnConflict
) -> SequenceState:
    """Write one batch."""
    chosen, ledger = course.ledger.admitted(facts, on_conflict)
    number, unchanged = course.ledger.batches + 1, ledger if on_conflict == "oldest" else course.ledger
    if not chosen:
        return replace(course, ledger=ledger)
    before, lost = _freed(surgeon.lm, course.patches, ledger), ledger.lost(surgeon.again, chosen)
    earlier = [edit.fact for edit in ledger.live if edit not in lost]  # the keys of what is written again are to change
    facts = [*chosen, *(edit.fact for edit in lost)]
    total = reduce(add, before.values()) if before else None
    name = f"batch-{number:03}"
    try:
        patch = run.stage(name, lambda: surgeon.made(facts, total, earlier), Patch.save, Patch.load)
    except NoEffect as problem:
        return replace(course, ledger=unchanged.plus(chosen, number, "", "refused", problem.what))
    when = datetime.fromtimestamp(run.path(f"{name}.safetensors").stat().st_mtime, timezone.utc)
    new_ledger = ledger.repeated([edit.number for edit in lost], number)
    new_ledger = new_ledger.plus(chosen, number, f"{name}.safetensors", "holds", when=when)
    both = total + patch if total else patch
    check = run.stage(
        f"check-{number:03}",
        lambda: surgeon.check(course, both, new_ledger.live, number),
        Check.save,
        Check.load,
        suffix=".json",
    )
    if check.complaints:  # the last good state stands, what was superseded holds again
        refusal = unchanged.plus(chosen, number, f"{name}.safetensors", "refused", "; ".join(check.complaints), when)
        return replace(course, ledger=refusal, checks=(*course.checks, check))
    patches = {**before, number: patch}
    return replace(
        course, ledger=judged(new_ledger, check).held_by(patches), patches=patches, checks=(*course.checks, check)
    )


def _freed(lm: LM, patches: Mapping[int, Patch], ledger: Ledger) -> dict[int, Patch]:
    """Return patches without the entries of codebooks that newer ones supersede; in weights they are written over."""
    remaining = dict(patches)
    for edit in ledger.edits:
        if edit.status == "superseded" and edit.batch in remaining and is_codebook(remaining[edit.batch]):
            rest = without_prompts(lm, remaining.pop(edit.batch), {edit.fact.prompt})
            remaining = dict(sorted({**remaining, **({edit.batch: rest} if rest else {})}.items()))
    return remaining


def judged(ledger: Ledger, check: Check) -> Ledger:
    """Return the ledger with what a check found."""
    good = [number for number, right in check.right.items() if right]
    lost = [number for number, right in check.right.items() if not right]
    fresh = [n for n in lost if ledger.edit(n).status == "holds"]
    ledger = ledger.marked(good, "holds")
    return ledger.marked(fresh, "lost", f"wrong after batch {check.batch}")


def copy_earlier_files(course: SequenceState, run: Run) -> None:
    """Have the files of an earlier folder's course in this run's folder, too."""
    _check_folder(run)
    for batch, name in course.ledger.files.items():
        if batch in course.patches and not run.path(name).is_file():
            course.patches[batch].save(run.path(name))
    for check in course.checks:
        if not run.path(f"check-{check.batch:03}.json").is_file():
            check.save(run.path(f"check-{check.batch:03}.json"))


def save_sequence(course: SequenceState, run: Run) -> None:
    """Write the ledger and the sum of what is kept."""
    course.ledger.save(run.path(LEDGER))
    if course.patch is not None:
        course.patch.save(run.path(PATCH))
    else:
        tensorfile.discard(run.path(PATCH), patch_file.FORMAT)
