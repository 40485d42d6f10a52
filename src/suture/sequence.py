"""Edits one batch after the other: each on the model with those before it, all of them checked after each, stopped in time.

    patch_n = patch_(n-1) + method(model with patch_(n-1), batch n)
The sum is a patch of the base model. After each batch every edit so far is asked again in free generation, and the model's health
is measured; a batch that takes it beyond its limits is not kept, and the last good patch stands.
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

from .course import Check, Course
from .errors import NoEffect, UsageError
from .examples import Fact
from .health import Limits, examined
from .ledger import Edit, Ledger, OnConflict
from .lm import LM
from .memory.entries import is_codebook, weights_alone, without_prompts
from .memory.hybrid import rebased
from .metrics import completion
from .patch import Patch
from .runs import Run

LEDGER, PATCH = "ledger.jsonl", "patch.safetensors"
Method = Callable[..., Patch]


@dataclass(frozen=True, eq=False)
class Surgeon:
    """What a sequence is carried out with.

    Attributes:
        lm: the base model; not changed.
        method: the method.
        settings: of the method.
        texts: neutral ones, for the health of the model.
        limits: beyond which edits stop.
    """

    lm: LM
    method: Method
    settings: dict[str, Any]
    texts: Sequence[str]
    limits: Limits = field(default_factory=Limits)

    def made(self, facts: Sequence[Fact], before: Patch | None, earlier: Sequence[Fact]) -> Patch:
        """Return the change that writes facts into the model as `before` leaves it, as a patch of the base model.

        A method that takes earlier facts ("previous", as AlphaEdit does) is told of them.
        """
        told = {"previous": list(earlier)} if earlier and takes_earlier(self.method) else {}
        weights = weights_alone(before)
        with weights.applied(self.lm) if weights else nullcontext():
            patch = self.method(self.lm, list(facts), **{**self.settings, **told})
        return rebased(self.lm, patch) if weights else patch

    def check(self, course: Course, patch: Patch | None, edits: Sequence[Edit], batch: int) -> Check:
        """Ask for every edit in free generation, and examine the model."""
        right: list[bool] = []
        if edits:
            cases = completion.Cases([e.fact.prompt for e in edits], [e.fact.target for e in edits])
            with patch.used(self.lm) if patch else nullcontext():
                right = [bool(value) for value in completion.observe(self.lm, cases).values]
        health = examined(self.lm, patch, self.texts)
        kept = [each.health for each in course.checks if not each.complaints]
        found = {edit.number: good for edit, good in zip(edits, right, strict=True)}
        return Check(batch, found, health, tuple(health.complaints(course.base, self.limits, kept)))


def carried_out(
    surgeon: Surgeon,
    course: Course,
    facts: Sequence[Fact],
    run: Run,
    *,
    size: int,
    on_conflict: OnConflict = "refuse",
    progress: Callable[[str, int, int], None] | None = None,
) -> Course:
    """Write facts batch by batch; each batch and what was found after it are stages of a run, so that it can be continued.

    Args:
        surgeon: model, method and limits.
        course: where to begin; see `begun`.
        facts: what to write, in order.
        run: where patches, checks, ledger and the sum go.
        size: facts a batch; 0 for all at once.
        on_conflict: what becomes of a fact that contradicts an earlier edit; see `Ledger.admitted`.
        progress: called with (what, facts done, of).

    Raises:
        UsageError: for a conflict, when so asked.
    """
    size = size or len(facts)
    _settled(course, run)
    for begin in range(0, len(facts), size):
        part = list(facts[begin : begin + size])
        if progress:
            progress(f"batch {course.ledger.batches + 1}", begin, len(facts))
        course = _batch(surgeon, course, part, run, on_conflict)
        _written(course, run)
        if course.stopped:
            break
    if progress:
        progress("done", len(facts), len(facts))
    return course


def begun(surgeon: Surgeon, model: str, method: str, settings: dict[str, Any]) -> Course:
    """Return a course without edits."""
    return Course(Ledger(model, method, settings), {}, (), examined(surgeon.lm, None, surgeon.texts))


def resumed(surgeon: Surgeon, folder: Path) -> Course:
    """Return the course that a folder holds, to be continued.

    Raises:
        DataError: when it holds none, or not all of it.
    """
    ledger = Ledger.load(folder / LEDGER)
    patches = {batch: Patch.load(folder / name) for batch, name in ledger.files.items()}
    for patch in patches.values():
        patch.check_base(surgeon.lm)
    checks = [folder / f"check-{batch:03}.json" for batch in range(1, ledger.batches + 1)]
    seen = tuple(Check.load(file) for file in checks if file.is_file())
    return Course(ledger, _freed(surgeon.lm, patches, ledger), seen, examined(surgeon.lm, None, surgeon.texts))


def removed(surgeon: Surgeon, course: Course, number: int, run: Run) -> Course:
    """Take one edit out, wherever it stands, and ask for all others again.

    An edit alone in its batch is taken out of the sum, exactly; so are the entries of a codebook. Otherwise the batch is made
    again for its other facts, on the batches before it. Later batches were made on a model that had the edit; they stay as
    they are, which is why everything is checked again: see the status of each edit.

    Raises:
        UsageError: when there is no such edit in the model.
    """
    _settled(course, run)
    edit = course.ledger.edit(number)
    if edit.batch not in course.patches or edit.status in ("removed", "refused"):
        raise UsageError(f"edit {number} is not in the model", why=f"It was {edit.status}.", fix="Choose another one.")
    rest = [e for e in course.ledger.edits if e.batch == edit.batch and e.number != number and e.patch == edit.patch]
    rest = [e for e in rest if e.status not in ("removed", "refused")]
    patches = dict(course.patches)
    del patches[edit.batch]
    name = f"batch-{edit.batch:03}-without-{number}"
    if rest:
        earlier = [patch for batch, patch in patches.items() if batch < edit.batch]
        before = reduce(add, earlier) if earlier else None
        made = run.stage(name, lambda: _without(surgeon, course, edit, rest, before), Patch.save, Patch.load)
        patches = dict(sorted({**patches, edit.batch: made}.items()))
        ledger = replace(
            course.ledger,
            edits=tuple(replace(e, patch=f"{name}.safetensors") if e in rest else e for e in course.ledger.edits),
        )
    else:
        ledger = course.ledger
    after = replace(course, ledger=ledger.marked([number], "removed", "taken out"), patches=patches)
    check = surgeon.check(after, after.patch, after.ledger.live, after.ledger.batches)
    after = replace(after, ledger=_judged(after.ledger, check), checks=(*course.checks, check))
    _written(after, run)
    return after


def takes_earlier(method: Method) -> bool:
    """Return whether a method can be told of the facts that were written before."""
    parameter = inspect.signature(method, eval_str=True).parameters.get("previous")
    return parameter is not None and "Fact" in str(parameter.annotation)


def _batch(surgeon: Surgeon, course: Course, facts: list[Fact], run: Run, on_conflict: OnConflict) -> Course:
    """Write one batch."""
    chosen, ledger = course.ledger.admitted(facts, on_conflict)
    number, unchanged = course.ledger.batches + 1, ledger if on_conflict == "oldest" else course.ledger
    if not chosen:
        return replace(course, ledger=ledger)
    before, earlier = _freed(surgeon.lm, course.patches, ledger), [edit.fact for edit in ledger.live]
    total = reduce(add, before.values()) if before else None
    name = f"batch-{number:03}"
    try:
        made = run.stage(name, lambda: surgeon.made(chosen, total, earlier), Patch.save, Patch.load)
    except NoEffect as problem:
        return replace(course, ledger=unchanged.plus(chosen, number, "", "refused", problem.what))
    when = datetime.fromtimestamp(run.path(f"{name}.safetensors").stat().st_mtime, timezone.utc)
    tried = ledger.plus(chosen, number, f"{name}.safetensors", "holds", when=when)
    both = total + made if total else made
    check = run.stage(
        f"check-{number:03}",
        lambda: surgeon.check(course, both, tried.live, number),
        Check.save,
        Check.load,
        suffix=".json",
    )
    if check.complaints:  # the last good state stands, what was superseded holds again
        kept = unchanged.plus(chosen, number, f"{name}.safetensors", "refused", "; ".join(check.complaints), when)
        return replace(course, ledger=kept, checks=(*course.checks, check))
    return replace(
        course, ledger=_judged(tried, check), patches={**before, number: made}, checks=(*course.checks, check)
    )


def _freed(lm: LM, patches: Mapping[int, Patch], ledger: Ledger) -> dict[int, Patch]:
    """Return patches without the entries of codebooks that newer ones supersede; in weights they are written over."""
    kept = dict(patches)
    for edit in ledger.edits:
        if edit.status == "superseded" and edit.batch in kept and is_codebook(kept[edit.batch]):
            rest = without_prompts(lm, kept.pop(edit.batch), {edit.fact.prompt})
            kept = dict(sorted({**kept, **({edit.batch: rest} if rest else {})}.items()))
    return kept


def _without(surgeon: Surgeon, course: Course, edit: Edit, rest: Sequence[Edit], before: Patch | None) -> Patch:
    """Return the patch of a batch without one of its edits."""
    old = course.patches[edit.batch]
    if is_codebook(old):
        found = without_prompts(surgeon.lm, old, {edit.fact.prompt})
        assert found is not None  # the others' entries
        return found
    earlier = [e.fact for e in course.ledger.live if e.batch < edit.batch]
    return surgeon.made([e.fact for e in rest], before, earlier)


def _judged(ledger: Ledger, check: Check) -> Ledger:
    """Return the ledger with what a check found."""
    good = [number for number, right in check.right.items() if right]
    lost = [number for number, right in check.right.items() if not right]
    fresh = [n for n in lost if ledger.edit(n).status == "holds"]
    ledger = ledger.marked(good, "holds")
    return ledger.marked(fresh, "lost", f"wrong after batch {check.batch}")


def _settled(course: Course, run: Run) -> None:
    """Have the files of an earlier folder's course in this run's folder, too."""
    if run.folder is None:
        raise UsageError(
            "edits in batches write several files", why="--out names one of them.", fix="Give a folder: --out NAME"
        )
    for batch, name in course.ledger.files.items():
        if batch in course.patches and not run.path(name).is_file():
            course.patches[batch].save(run.path(name))
    for check in course.checks:
        if not run.path(f"check-{check.batch:03}.json").is_file():
            check.save(run.path(f"check-{check.batch:03}.json"))


def _written(course: Course, run: Run) -> None:
    """Write the ledger and the sum of what is kept."""
    course.ledger.save(run.path(LEDGER))
    if course.patch is not None:
        course.patch.save(run.path(PATCH))
    else:
        run.path(PATCH).unlink(missing_ok=True)
