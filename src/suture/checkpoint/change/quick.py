"""The quick way in place: of each tensor the rows that a patch touches are read and checked, and not the rest.

A patch says what these rows were (`Stamp.rows`) beside what the whole tensor was. The rows in the file are held against that,
and for the rest the patch is believed: suture.json says so (`Mark.rows`), `verify` looks, and the next change that is not
quick looks first (`surveys.completed`). Only for tensors with no other patch on them.
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import PatchMismatch, UsageError
from ...text.printable import command_line
from ..stack.stack import Layer, Stack
from ..write.pool import parallel_map
from .survey import Survey, survey_rows
from .surveys import completed, foresee, worth_remembering

FULL = "Leave `quick` away: whole tensors are read and checked then."


def check_quick(quick: bool, *, in_place: bool, force: bool = False) -> None:
    """Raise UsageError where the quick way is asked for and there is none."""
    if not quick:
        return
    if not in_place:
        raise UsageError("`quick` is for `in_place`", why="For a new folder everything is read anyway.", fix=FULL)
    if force:
        raise UsageError("`quick` and `force` do not go together", why="Quickly, the patch is believed.", fix=FULL)


def prepared(old: Stack, new: Stack, *, quick: bool) -> Stack:
    """Return the stack that is on a checkpoint with all that has to be known of it before it changes.

    Args:
        old: the stack.
        new: the stack that will be, as far as that is known.
        quick: read nothing but the touched rows.

    Raises:
        PatchMismatch: when a tensor is not what its patches were made for, or made of it.
        UsageError: when a change can not be made quickly.
    """
    if not quick:
        old = completed(old, old.changing(new))
        if not old.layers:
            foresee(old, new)
        return old
    names = old.changing(new)
    expected = {name: expected_digest(old, only(old, new, name), name) for name in names}
    remembered = worth_remembering(old, new, names)

    def survey_one(name: str) -> Survey:
        return survey_rows(*old.reached(new, name), new.floors(name), remember=name in remembered)

    for name, survey in zip(names, parallel_map(survey_one, names), strict=True):
        mark, stamp = old.ledger.tensors.get(name), only(old, new, name).patch.before[name]
        if survey.current != expected[name]:
            raise _mismatch(old, new, name, f"sha256 {survey.current[:8]}.. instead of {expected[name][:8]}..")
        base, now = (mark.base, mark.current) if mark else (stamp.sha256, stamp.sha256)
        claim = replace(survey, current=now, base=base, after={}, rows="" if mark else survey.final)
        old.surveys[new.key(name)], old.seen[name] = claim, now
    return old


def only(old: Stack, new: Stack, name: str) -> Layer:
    """Return the one patch that a tensor gets or loses.

    Raises:
        UsageError: when there are several.
    """
    either = [*old.on(name), *new.on(name)]
    if len(either) > 1:
        raise UsageError(f"`quick` is for tensors with one patch on them: {name} has another", fix=FULL)
    return either[0]


def expected_digest(stack: Stack, layer: Layer, name: str) -> str:
    """Return the SHA-256 that the touched rows of a tensor have, by its patch, or by the ledger if that is on it.

    Raises:
        UsageError: when neither says it.
        PatchMismatch: when the tensor has another type.
    """
    before, after = layer.patch.before[name], layer.patch.after.get(name)
    mark, dtype = stack.ledger.tensors.get(name), stack.checkpoint.slot(name).dtype
    if dtype != before.dtype:
        raise PatchMismatch(f"{name} is {dtype}, the patch was made for {before.dtype}", fix="Use its base model.")
    if mark is None:
        digest, how = before.rows, "made"
    else:  # by the whole way the promised bytes came out, or other bytes
        digest, how = mark.rows or (after.rows if after and after.sha256 == mark.current else ""), "put on"
    if not digest:
        raise UsageError(
            f"{layer.entry.name} can not be checked quickly",
            why=f"It was {how} without a SHA-256 of its rows of {name}.",
            fix=FULL,
        )
    return digest


def _mismatch(old: Stack, new: Stack, name: str, why: str) -> PatchMismatch:
    if name in old.ledger.tensors:
        what, fix = (
            "were changed since its patch was applied",
            f"See what is wrong: {command_line('verify', old.checkpoint.path)}",
        )
    else:
        base = only(old, new, name).patch.provenance.base.get("name", "?")
        what, fix = "differ from those this patch was made for", f"Use the base model: {base}"
    return PatchMismatch(f"rows of {name} {what}", why=why, fix=fix)
