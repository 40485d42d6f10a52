"""The quick way in place: of each tensor the rows that a patch touches are read and checked, and not the rest.

A patch says what these rows were (`Stamp.rows`) beside what the whole tensor was. The rows in the file are held against that,
and for the rest the patch is believed: suture.json says so (`Mark.rows`), `verify` looks, and the next change that is not
quick looks first (`surveys.completed`). Only for tensors with no other patch on them.
"""

from __future__ import annotations

from dataclasses import replace

from ..delta import touched
from ..errors import PatchMismatch, UsageError
from .ledger import Mark
from .pool import each
from .rows import Survey
from .stack import Layer, Stack
from .surveys import completed, foresee

FULL = "Leave --quick away: whole tensors are read and checked then."


def check_quick(*, in_place: bool, force: bool) -> None:
    """Raise UsageError where there is no quick way."""
    if not in_place:
        raise UsageError("--quick is for --in-place", why="For a new folder everything is read anyway.", fix=FULL)
    if force:
        raise UsageError("--quick and --force do not go together", why="Quickly, the patch is believed.", fix=FULL)


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
    stamps = {name: _only(old, new, name) for name in names}
    for name, found in zip(names, each(lambda name: _survey(old, new, name), names), strict=True):
        stamp, mark = stamps[name].patch.before[name], old.ledger.tensors.get(name)
        _check_rows(old, stamps[name], name, found.current, mark)
        base, rows = (mark.base, "") if mark else (stamp.sha256, found.final)
        old.surveys[new.key(name)] = replace(
            found, current=mark.current if mark else base, base=base, after={}, rows=rows
        )
        old.seen[name] = mark.current if mark else base
    return old


def _only(old: Stack, new: Stack, name: str) -> Layer:
    """Return the patch that a tensor gets or loses."""
    either = [*old.on(name), *new.on(name)]
    if len(either) > 1:
        raise UsageError(f"--quick is for tensors with one patch on them: {name} has another", fix=FULL)
    return either[0]


def _survey(old: Stack, new: Stack, name: str) -> Survey:
    rows = (new if name in new.tensors else old).rows(name)
    write = touched([*old.touched(name), *new.touched(name)], rows.shape)
    return rows.survey(write, new.floors(name), whole=False)


def _check_rows(stack: Stack, layer: Layer, name: str, found: str, mark: Mark | None) -> None:
    """Hold the SHA-256 of the touched rows against that of the ledger, or of the patch."""
    before, after = layer.patch.before[name], layer.patch.after.get(name)
    if mark is None:
        expected, dtype = before.rows, stack.checkpoint.slot(name).dtype
        if dtype != before.dtype:
            raise PatchMismatch(f"{name} is {dtype}, the patch was made for {before.dtype}", fix="Use its base model.")
    else:
        expected = mark.rows or (after.rows if after and after.sha256 == mark.current else "")
    if not expected:
        what = "was made" if mark is None else "was put on"
        raise UsageError(
            f"{layer.entry.name} can not be checked quickly", why=f"It {what} without a SHA-256 of its rows of {name}.", fix=FULL
        )  # fmt: skip
    if found != expected:
        told = (
            "differ from those the patch was made for" if mark is None else "were changed since the patch was applied"
        )
        raise PatchMismatch(
            f"rows of {name} {told}",
            why=f"sha256 {found[:8]}.. instead of {expected[:8]}..",
            fix=f"Use the base model: {layer.patch.provenance.base.get('name', '?')}"
            if mark is None
            else f"See what is wrong: suture verify {stack.checkpoint.path}",
        )
