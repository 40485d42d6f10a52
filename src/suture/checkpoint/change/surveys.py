"""What a stack of patches makes of each tensor: every hash, computed from one reading, several tensors side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...errors import PatchMismatch
from ...patch.delta import touched
from ...text.printable import command_line
from ..stack.stack import Stack
from ..write.pool import parallel_map
from .survey import Survey, affordable, survey_whole


def surveyed(old: Stack, new: Stack, names: Sequence[str]) -> Iterator[Survey]:
    """Yield what becomes of tensors when the patches on them change, in the order of `names`.

    Args:
        old: the stack that is on the checkpoint.
        new: the stack that will be.
        names: of tensors that a patch of either touches.
    """

    def survey_one(name: str) -> Survey:
        if survey := old.surveys.get(new.key(name)):
            return survey
        return survey_whole(
            *old.reached(new, name), new.floors(name), old.seen.get(name, ""), remember=name in remembered
        )

    remembered = worth_remembering(old, new, [name for name in names if new.key(name) not in old.surveys])
    return parallel_map(survey_one, names)


def worth_remembering(old: Stack, new: Stack, names: Sequence[str]) -> set[str]:
    """Return the tensors whose touched rows are remembered from their survey until they are written."""
    reached = [old.reached(new, name) for name in names]
    sizes = [len(write) * rows.width for rows, write in reached]
    largest = max((rows.slot.size for rows, _ in reached), default=0)
    spent = sum(survey.remembered.bytes for survey in old.surveys.values() if survey.remembered)
    return {name for name, fits in zip(names, affordable(sizes, largest, spent), strict=True) if fits}


def foresee(stack: Stack, guess: Stack) -> None:
    """Survey what patches make of a checkpoint that has none, before it is known whether they fit.

    Nearly always they do, and all stand on floor 0: then the hash that says so and the hash of the result come from one
    reading of the disk instead of two. Where they do not, what was computed is never asked for.
    """
    for name, survey in zip(guess.tensors, surveyed(stack, guess, guess.tensors), strict=True):
        stack.seen[name] = survey.current
        stack.surveys[guess.key(name)] = survey


def hashed(stack: Stack, names: Sequence[str]) -> None:
    """Hash tensors as they are on disk, those that were not hashed yet; the stack remembers them."""
    new = [name for name in names if name not in stack.seen]
    for name, digest in zip(new, parallel_map(lambda name: stack.rows(name).sha256(), new), strict=True):
        stack.seen[name] = digest


def examine(stack: Stack, name: str) -> tuple[Survey, str]:
    """Survey a patched tensor as it is. Returns what was found, and what is wrong with it or ""."""
    rows, mark = stack.rows(name), stack.ledger.tensors[name]
    reached = touched(stack.touched(name), rows.shape)
    survey = survey_whole(rows, reached, stack.floors(name))
    if survey.current != (mark.current or survey.final) or (mark.rows and rows.sha256_of(reached) != mark.rows):
        return survey, "it is not what its patches made of it"
    if survey.base != mark.base:
        rest = "beside the rows that its patch touches it is not what that was made for"
        return survey, rest if mark.rows else "the base bits kept of it are damaged"
    same = mark.rows or survey.after in (mark.after, {})
    return survey, "" if same else "its patches do not give what suture.json says"


def completed(stack: Stack, names: Sequence[str]) -> Stack:
    """Return the stack with the hashes of whole tensors where patches were put on quickly.

    Raises:
        PatchMismatch: when the rest of such a tensor is not what its patch was made for.
    """
    quick = [name for name in names if (mark := stack.ledger.tensors.get(name)) and mark.rows]
    marks = {}
    for name, (survey, problem) in zip(quick, parallel_map(lambda name: examine(stack, name), quick), strict=True):
        if problem:
            raise PatchMismatch(
                f"{name}: {problem}",
                why="Its patch was put on by `quick`, which reads the touched rows alone.",
                fix=f"Take it off by its rows: {command_line('revert', stack.checkpoint.path, '--in-place', '--quick')}",
            )
        marks[name] = replace(stack.ledger.tensors[name], after=survey.after or {0: survey.base}, rows="")
        stack.seen[name] = survey.current
    return replace(stack, ledger=replace(stack.ledger, tensors={**stack.ledger.tensors, **marks}))
