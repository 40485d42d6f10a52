"""Take one edit out of a sequence, wherever it stands, and ask for all others again.

An edit alone in its batch is taken out of the sum, exactly; so are the entries of a codebook. Otherwise the batch is made again
for its other facts, on the batches before it; so is every later one that wrote the edit again. Other later batches were made on a
model that had the edit; they stay as they are, which is why everything is checked again: see the status of each edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from ..errors import UsageError
from ..memory.entries import is_codebook, without_prompts
from ..patch.patch import Patch
from ..runs.run import Run
from .ledger import Edit, Ledger
from .sequence import SequentialEditor, copy_earlier_files, judged, save_sequence
from .state import SequenceState


def removed(surgeon: SequentialEditor, course: SequenceState, number: int, run: Run) -> SequenceState:
    """Return a course without one of its edits.

    Args:
        surgeon: model, method and limits.
        course: where it stands.
        number: of the edit.
        run: where patches, the check, ledger and the sum go.

    Raises:
        UsageError: when there is no such edit in the model.
    """
    copy_earlier_files(course, run)
    edit = course.ledger.edit(number)
    if edit.batch not in course.patches or edit.status in ("removed", "refused"):
        raise UsageError(f"edit {number} is not in the model", why=f"It was {edit.status}.", fix="Choose another one.")
    after = course
    for batch in (edit.batch, *edit.again):
        if batch in after.patches:
            after = _remake_batch(surgeon, after, edit, batch, run)
    after = replace(after, ledger=after.ledger.marked([number], "removed", "taken out").held_by(after.patches))
    check = surgeon.check(after, after.patch, after.ledger.live, after.ledger.batches)
    after = replace(after, ledger=judged(after.ledger, check), checks=(*course.checks, check))
    save_sequence(after, run)
    return after


def _remake_batch(surgeon: SequentialEditor, course: SequenceState, edit: Edit, batch: int, run: Run) -> SequenceState:
    """Return a course with one batch made again without an edit, or dropped where nothing new is left in it.

    Of the other edits of a codebook nothing is left once newer ones supersede them.
    """
    rest = [other for other in course.ledger.within(batch) if other.number != edit.number]
    numbers = {other.number for other in rest if other.batch == batch}
    patches = dict(course.patches)
    del patches[batch]
    old, codes = course.patches[batch], None
    if is_codebook(old):
        codes = without_prompts(surgeon.lm, old, {edit.fact.prompt})
        numbers = numbers if codes else set()
    if not numbers:  # what it wrote again goes with it: the check that follows says whether that is lost
        return replace(course, ledger=_forgotten(course.ledger, batch), patches=patches)
    name = f"batch-{batch:03}-without-{edit.number}"
    earlier = [patch for other, patch in patches.items() if other < batch]
    before = reduce(add, earlier) if earlier else None
    new = run.stage(
        name, lambda: codes or _write_rest(surgeon, course, edit, batch, rest, before), Patch.save, Patch.load
    )
    edits = (replace(e, patch=f"{name}.safetensors") if e.number in numbers else e for e in course.ledger.edits)
    return replace(
        course,
        ledger=replace(course.ledger, edits=tuple(edits)),
        patches=dict(sorted({**patches, batch: new}.items())),
    )


def _write_rest(
    surgeon: SequentialEditor, course: SequenceState, edit: Edit, batch: int, rest: Sequence[Edit], before: Patch | None
) -> Patch:
    """Return the patch of a batch in weights for the rest of what it writes."""
    earlier = [e.fact for e in course.ledger.live if e.batch < batch and e not in rest and e.number != edit.number]
    return surgeon.made([e.fact for e in rest], before, earlier)


def _forgotten(ledger: Ledger, batch: int) -> Ledger:
    """Return a ledger in which no edit was written again in a batch."""
    edits = (replace(e, again=tuple(other for other in e.again if other != batch)) for e in ledger.edits)
    return replace(ledger, edits=tuple(edits))
