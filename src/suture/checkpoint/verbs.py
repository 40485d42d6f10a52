"""Put patches on a checkpoint, take them off: as a new folder or in place.

apply(base, [patch], out)           out = base with the patch; revert(out, out=again) gives base, byte for byte
apply(base, [patch], in_place=True) the same where it lies
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ResourceError, SutureError, UsageError
from ..io.system import reported
from ..text.phase import begin, counted
from .change.plan import Plan, Progress, silent
from .change.quick import check_quick, prepared
from .change.repeated import adding, check_numbers, finished_note, sweep, taking, was_done, was_made
from .format.folder import INTENT, Checkpoint
from .format.kind import check_kind
from .format.limits import check_size, check_weights
from .format.reading import reading
from .stack.fitting import check_place as check_fits
from .stack.fitting import doubled, placed
from .stack.stack import Layer, Stack, read_layer
from .write.allowed import check_in_place, check_new, check_room_new, check_undo, needed_in_place
from .write.disk import DISK, Disk, check_room
from .write.inplace import Recovered, leftovers, recover, write_in_place
from .write.locks import locked
from .write.output import Draft, check_place, drafted, finish, needed


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be.

    Attributes:
        path: of the checkpoint with the new stack.
        tensors: (name, shard, rows overwritten, entries changed).
        bytes: overwritten in the shards.
        room: bytes of disk it takes (a new folder: without sharing).
        patches: (name, first digits of the SHA-256, scale, floor) of the whole stack.
        notes: what a careful user should know.
        checked: what was read and hashed before the change: "whole tensors", or "touched rows".
        repeated: this very command had been interrupted, and was brought to its end; nothing else was done.
    """

    path: Path
    tensors: list[tuple[str, str, int, int]]
    bytes: int
    room: int
    patches: list[tuple[str, str, float, int]]
    notes: list[str] = field(default_factory=list)
    checked: str = "whole tensors"
    repeated: bool = False

    @property
    def entries(self) -> int:
        """Numbers that changed."""
        return sum(entries for *_, entries in self.tensors)


def apply(
    checkpoint: Path,
    patches: Sequence[Path],
    out: Path | None = None,
    *,
    scale: float = 1.0,
    in_place: bool = False,
    link: bool = False,
    quick: bool = False,
    force: bool = False,
    allow_large: bool = False,
    dry_run: bool = False,
    disk: Disk = DISK,
    progress: Progress = silent,
) -> Outcome:
    """Put patches on a checkpoint.

    Args:
        checkpoint: folder with safetensors; never changed unless `in_place`.
        patches: patch files.
        out: the new folder.
        scale: strength of all of them.
        in_place: change the checkpoint itself instead.
        link: in a new folder, unchanged files are hard links.
        quick: in place, read and check the touched rows alone (see `quick`).
        force: apply although something differs; what differs is recorded.
        allow_large: apply although the change is many times as large as the weights.
        dry_run: check and compute everything, write nothing.
        disk: what writes.
        progress: called with (what, done, of).

    Raises:
        PatchMismatch: when a patch was made for other weights; nothing is written.
        NoEffect: when no byte would change.
        ResourceError: when the disk does not suffice.
        UsageError, UnsupportedModel, CorruptFile: when something can not be used.
    """
    check_quick(quick, in_place=in_place, force=force)
    if not math.isfinite(scale):
        raise UsageError(f"can not scale a patch by {scale}", fix="Give a finite `scale`: 1 is the patch as made.")
    with _opened(checkpoint, out, in_place, dry_run, disk) as opened:
        old, notes = opened.stack, opened.notes
        check_kind(checkpoint, old.checkpoint.config)
        if in_place and was_done(opened.recovered, adding(patches, scale)):
            return _done_before(old, notes, quick)
        layers = _layers(old, patches, scale, force)
        sketch = Plan.sketch(old, replace(old, layers=(*old.layers, *layers)))
        if out is not None and was_made(sketch, out):
            return _made_before(out, notes, disk, dry_run)
        with _begun(sketch, out, link, dry_run, disk, notes) as draft:
            old = prepared(old, sketch.new, quick=quick)
            checking, writing = _phases(progress, dry_run)
            plan = Plan.make(old, _stacked(old, layers, force, notes), checking)
            notes += check_size(plan, allow_large=allow_large)
            notes += _carry_out(plan, draft, in_place, dry_run, disk, writing)
    return _outcome(plan, out, link, notes, quick)


def revert(
    checkpoint: Path,
    patches: Sequence[str] = (),
    out: Path | None = None,
    *,
    in_place: bool = False,
    link: bool = False,
    quick: bool = False,
    force: bool = False,
    dry_run: bool = False,
    disk: Disk = DISK,
    progress: Progress = silent,
) -> Outcome:
    """Take patches off a checkpoint, wherever they lie in its stack. Without any left, every byte is the base's.

    Args:
        checkpoint: that they are on.
        patches: which: number from 1, SHA-256 (its beginning), name or file; all if none is named.
        out: the new folder.
        in_place: change the checkpoint itself instead.
        link: in a new folder, unchanged files are hard links.
        quick: in place, read and check the touched rows alone (see `quick`).
        force: keep patches that were made on the result of one that goes.
        dry_run: check and compute everything, write nothing.
        disk: what writes.
        progress: called with (what, done, of).

    Raises:
        UsageError: when such a patch is not on it.
        PatchMismatch: when the weights were changed since, or a patch that stays was made on one that goes.
    """
    check_quick(quick, in_place=in_place, force=force)
    with _opened(checkpoint, out, in_place, dry_run, disk) as opened:
        old, notes = opened.stack, opened.notes
        if in_place and was_done(opened.recovered, taking(patches, checkpoint)):
            return _done_before(old, notes, quick)
        check_numbers(opened.recovered, patches, checkpoint)
        new = old.without(old.find(patches), force=force)
        sketch = Plan.sketch(old, new)
        if out is not None and was_made(sketch, out):
            return _made_before(out, notes, disk, dry_run)
        with _begun(sketch, out, link, dry_run, disk, notes) as draft:
            checking, writing = _phases(progress, dry_run)
            plan = Plan.make(prepared(old, new, quick=quick), new, checking)
            notes += _carry_out(plan, draft, in_place, dry_run, disk, writing)
    return _outcome(plan, out, link, notes, quick)


@dataclass(frozen=True)
class _Opened:
    """A checkpoint that is locked and read.

    Attributes:
        stack: the patches on it.
        notes: what a careful user should know.
        recovered: what an interrupted run had left in it.
    """

    stack: Stack
    notes: list[str]
    recovered: Recovered


def _layers(old: Stack, patches: Sequence[Path], scale: float, force: bool) -> list[Layer]:
    """Read patches that are to be put on, and check that they can be."""
    layers = [read_layer(path, scale, old.top) for path in patches]
    for layer in layers:
        check_weights(layer)
        check_fits(old.checkpoint, layer.patch, force=force)
    return [doubled(old.checkpoint, layer, force=force) for layer in layers]


def _stacked(stack: Stack, layers: Sequence[Layer], force: bool, notes: list[str]) -> Stack:
    """Return the stack with layers on it, each held against what lies below it; what differs is noted."""
    for unplaced in layers:
        layer = placed(stack, unplaced, force=force)
        notes += [f"forced: {why}" for why in layer.entry.forced]
        notes += [f"{copy} is a copy of {name}: changed with it" for copy, name in layer.entry.copies.items()]
        stack = stack.adding(layer)
    return stack


@contextmanager
def _opened(path: Path, out: Path | None, in_place: bool, dry_run: bool, disk: Disk) -> Iterator[_Opened]:
    """Lock and read a checkpoint; what an interrupted run left in it is finished first, but not by a dry run."""
    if in_place == (out is not None):
        raise UsageError("where to write?", fix="Give either `out=OUT` or `in_place=True`.")
    with reported(f"can not read {path}"), ExitStack() as locks:
        # Beside what a finished run could not clear away any more, it is seen later whether this command was that run.
        if out is not None and path.is_dir() and finished_note(out) is None:
            check_place(path, out)
        if not path.is_dir():
            Checkpoint.open(path)  # says what is wrong
        # Under the lock of the change itself: of many that begin at once, the first to hold it goes on.
        alone = not dry_run and (in_place or (path / INTENT).exists())
        locks.enter_context(locked(path, exclusive=alone))
        if not alone and not dry_run and (path / INTENT).exists():
            raise ResourceError(f"{path} was changed by another run of suture meanwhile", fix="Give the command again.")
        recovered = recover(path, disk) if alone else leftovers(path, in_place=in_place) if dry_run else Recovered()
        try:
            checkpoint = Checkpoint.open(path)
            yield _Opened(Stack.load(checkpoint), [*recovered.notes, *checkpoint.notes], recovered)
        except SutureError as problem:
            if recovered.notes:  # a command that is refused has changed the folder all the same
                problem.add(f"Before that: {'; '.join(recovered.notes)}.")
            raise


def _done_before(stack: Stack, notes: list[str], quick: bool) -> Outcome:
    """Return the outcome of a command that had been interrupted when, or before, its change was complete."""
    note = "this very command had been interrupted: it is done now, and nothing more was changed"
    nothing = Plan(stack, stack, [], {}, {})
    return replace(_outcome(nothing, None, False, [*notes, note], quick), room=0, repeated=True)


def _made_before(out: Path, notes: list[str], disk: Disk, dry_run: bool) -> Outcome:
    """Clear away what a run left that was killed when its new folder was complete; returns the outcome of that."""
    with reading(out) as checkpoint:
        stack = Stack.load(checkpoint)
    if not dry_run:
        sweep(out, disk)
    return _done_before(stack, notes, quick=False)


@contextmanager
def _begun(
    sketch: Plan, out: Path | None, link: bool, dry_run: bool, disk: Disk, notes: list[str]
) -> Iterator[Draft | None]:
    """Begin the new folder, if there is to be one: its files are copied while hashes are computed.

    What the system would refuse is refused here, before anything is computed, by a dry run as well.
    """
    if out is None:
        check_in_place(sketch, disk)
        check_room(sketch.checkpoint.path, needed_in_place(sketch))
        yield None
    elif dry_run:
        notes += [*check_new(sketch, out, link=link), *check_room_new(sketch, out, link=link)]
        yield None
    else:
        with drafted(sketch, out, link=link, disk=disk) as draft:
            yield draft


def _phases(progress: Progress, dry_run: bool) -> tuple[Progress, Progress]:
    """Return a progress for what is computed, and one for what is written, if anything is."""
    first, *rest = counted(progress, ["check"] if dry_run else ["check", "write"])
    return first or silent, next(iter(rest), None) or silent


def _carry_out(
    plan: Plan, draft: Draft | None, in_place: bool, dry_run: bool, disk: Disk, progress: Progress
) -> list[str]:
    """Write, unless it is a dry run; returns what could not be cleared away when all was done."""
    if in_place:
        check_undo(plan)
    if dry_run:
        return []
    if draft is None:
        begin(progress)
        return write_in_place(plan, disk=disk)
    return finish(draft, plan, disk=disk, progress=progress)


def _outcome(plan: Plan, out: Path | None, link: bool, notes: list[str], quick: bool) -> Outcome:
    return Outcome(
        out or plan.checkpoint.path,
        [(c.rows.slot.name, c.rows.slot.file.name, len(c.write), c.entries) for c in plan.changes],
        sum(change.bytes for change in plan.changes),
        needed_in_place(plan) if out is None else needed(plan, link=link),
        [(e.name, e.sha256[:8], e.scale, e.floor) for e in (layer.entry for layer in plan.new.layers)],
        notes,
        "touched rows" if quick else "whole tensors",
    )
