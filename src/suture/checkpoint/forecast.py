"""What a verb on a checkpoint will read, write and hold, from headers and patch files alone: no weight is read.

Peak memory is what the process has, the patches, the largest of what the steps keep at once, and what the allocator
keeps of what they gave back; measured in tests/checkpoint/test_forecast.py to within a fifth.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ResourceError, UsageError
from ..patch.delta_kind import CHUNK
from .change.plan import Change, Plan
from .change.quick import check_quick, expected_digest, only
from .change.rows import PART, SURVEYED
from .change.survey import affordable
from .change.unsaid import check_alike
from .format.header import regular
from .format.kind import check_kind
from .format.limits import check_weights
from .format.reading import reading
from .format.spans import BLOCK
from .format.unsupported import FLOATS
from .stack.fitting import check_absent, check_place, doubled
from .stack.stack import Stack, read_layer
from .write import copying
from .write.allowed import check_in_place, check_new, needed_in_place
from .write.disk import DISK
from .write.inplace import leftovers
from .write.output import needed
from .write.pool import WORKERS

DOUBLE = 8  # bytes of a float64
ROUNDED = 5  # float64 copies of the rows that are being rounded: old, change, its part, sum, comparison
KEPT = 1 << 25  # bytes: the largest blocks that the allocator of a thread keeps when they are given back
FIRST = 13_000_000  # bytes that libraries take at their first use
DIFFED = 13  # float64 copies of a tensor that `diff` keeps while it looks for the cheapest form of a dense change


@dataclass(frozen=True)
class Forecast:
    """What a command will do.

    Attributes:
        read: bytes read from disk.
        written: bytes written to it.
        room: bytes of disk it takes in the end.
        free: bytes free there now.
        held: most bytes of memory, beside what the process holds already.
        flushes: times that the disk is waited for.
        tensors: tensors that change.
        notes: what a careful user should know.
    """

    read: int
    written: int
    room: int
    free: int
    held: int
    flushes: int
    tensors: int
    notes: list[str] = field(default_factory=list)

    def demand_room(self) -> None:
        """Raise ResourceError when the disk does not suffice."""
        if self.room > self.free:
            raise ResourceError(
                f"not enough disk: {self.room} bytes are needed, {self.free} are free",
                fix="Free some disk, or write elsewhere.",
            )


def apply(
    checkpoint: Path,
    patches: Sequence[Path],
    out: Path | None = None,
    *,
    in_place: bool = False,
    link: bool = False,
    quick: bool = False,
) -> Forecast:
    """Forecast `verbs.apply`; whether the weights are those the patches were made for is not looked at.

    Raises:
        PatchMismatch, UnsupportedModel, UsageError, CorruptFile: as `verbs.apply`, as far as headers tell.
        CorruptFile: also where a change was not finished; `verbs.apply` would finish it.
    """
    check_quick(quick, in_place=in_place)
    with reading(checkpoint) as opened:
        check_kind(checkpoint, opened.config)
        new = old = Stack.load(opened)
        for path in patches:
            layer = read_layer(path, 1.0)
            check_weights(layer)
            check_place(opened, layer.patch, force=False)
            check_absent(new, layer, force=False)
            new = new.adding(doubled(opened, layer, force=False))
        return _of_stacks(old, new, out, in_place, link, quick, [*patches])


def revert(
    checkpoint: Path,
    patches: Sequence[str] = (),
    out: Path | None = None,
    *,
    in_place: bool = False,
    link: bool = False,
    quick: bool = False,
) -> Forecast:
    """Forecast `verbs.revert`.

    Raises:
        PatchMismatch, UsageError, CorruptFile: as `verbs.revert`, as far as headers tell.
    """
    check_quick(quick, in_place=in_place)
    with reading(checkpoint) as opened:
        old = Stack.load(opened)
        return _of_stacks(old, old.without(old.find(patches)), out, in_place, link, quick, [])


def verify(checkpoint: Path, base: Path | None = None) -> Forecast:
    """Forecast `verify.verify`."""
    with reading(checkpoint) as opened:
        stack = Stack.load(opened)
    weights = sum(stack.checkpoint.slot(name).size for name in stack.tensors)
    patches = sum(regular(layer.file).st_size for layer in stack.layers)
    read = weights + patches + sum(regular(undo.path).st_size for undo in stack.undo)
    if base is not None:
        with reading(base) as other:
            read += opened.bytes() + other.bytes()
    whole = replace(stack, ledger=replace(stack.ledger, tensors={}))
    held = patches + _survey(Plan.sketch(whole, whole, stack.tensors)) + (2 * BLOCK if base else 0)
    return Forecast(read, 0, 0, free(checkpoint), _peak(held), 0, 0)


def diff(a: Path, b: Path, out: Path, *, cast: bool = False) -> Forecast:
    """Forecast `difference.diff`: at most, for which tensors differ is not known before they are compared."""
    with reading(a) as first, reading(b) as second:
        read = first.bytes() + second.bytes()
    for checkpoint in (first, second):
        check_kind(checkpoint.path, checkpoint.config)
    check_alike(first, second, cast=cast)
    floats = [slot for slot in first.slots.values() if slot.dtype in FLOATS and slot.raw]
    largest = max((math.prod(slot.raw) for slot in floats), default=0)
    whole = sum(4 * math.prod(slot.raw) for slot in floats)
    notes = [f"if every tensor differs densely; the patch is held as float32, up to {whole:,} bytes of it"]
    held = DIFFED * DOUBLE * largest + 2 * BLOCK
    return Forecast(read, whole, whole, free(out), _peak(held), 2, len(floats), notes)


def combine(patches: Sequence[Path], out: Path) -> Forecast:
    """Forecast `suture combine`."""
    sizes = sum(regular(path).st_size for path in patches)
    return Forecast(sizes, sizes, sizes, free(out), _peak(2 * sizes + ROUNDED * DOUBLE * CHUNK), 2, 0)


def _of_stacks(
    old: Stack, new: Stack, out: Path | None, in_place: bool, link: bool, quick: bool, patches: list[Path]
) -> Forecast:
    plan = Plan.sketch(old, new)
    if quick:
        for name in old.changing(new):
            expected_digest(old, only(old, new, name), name)
    notes = [] if in_place or link else ["less where the file system shares the blocks of copies (btrfs, xfs)"]
    if in_place and out is not None:
        raise UsageError("where to write?", fix="Give either `out=OUT` or `in_place=True`.")
    if in_place:
        notes += leftovers(plan.checkpoint.path, in_place=True).notes
        check_in_place(plan, DISK)
    elif out is not None:
        notes += check_new(plan, out, link=link)
    rows = sum(change.bytes for change in plan.changes)
    weights = rows if quick else sum(change.rows.slot.size for change in plan.changes)
    files = sum(regular(layer.file).st_size for layer in (*old.layers, *new.layers))
    room = needed_in_place(plan) if in_place else needed(plan, link=link)
    read = weights + rows + files + (0 if in_place else plan.checkpoint.bytes())
    if old.layers and patches and not quick:
        read += weights  # what is there is hashed before it is known on which floor a patch stands
    shards = len(plan.by_shard())
    flushes = 11 + len(patches) + shards if in_place else 10 + len(patches) + shards + len(plan.checkpoint.shards)
    folder = plan.checkpoint.path if in_place or out is None else out
    held = _peak(files + max(_survey(plan, whole=not quick), _write(plan))) + _remembered_bytes(plan)
    if not in_place:
        copies = plan.by_shard() if link else plan.checkpoint.shards
        held += copying.memory_needed(max((regular(file).st_size for file in copies), default=0))
    return Forecast(read, room + rows, room, free(folder), held, flushes, len(plan.changes), notes)


def _peak(held: int) -> int:
    """Return the memory that a command takes whose steps hold so much at once."""
    return FIRST + held + min(held // 8, WORKERS * KEPT)


def _survey(plan: Plan, *, whole: bool = True) -> int:
    """Bytes held while tensors are surveyed side by side: a block, its copies, and its touched rows in float64."""
    sizes = []
    for change in plan.changes:
        item, entries = change.rows.dtype.itemsize, math.prod(change.rows.shape)
        block, share = min(SURVEYED, entries), change.bytes / max(1, change.rows.slot.size)
        if not whole:
            block, share = min(PART, change.bytes // item), 1.0
        sizes.append(int(block * (3 * item + _copies(change, 2) * DOUBLE * share)))
    return sum(sorted(sizes)[-WORKERS:])


def _write(plan: Plan) -> int:
    """Bytes held while the rows of several tensors are computed and written side by side."""
    sizes = []
    for change in plan.changes:
        item = change.rows.dtype.itemsize
        sizes.append(min(PART, change.bytes // item) * (3 * item + _copies(change, 0) * DOUBLE))
    return sum(sorted(sizes)[-WORKERS:])


def _remembered_bytes(plan: Plan) -> int:
    """Bytes of touched rows that are held from their survey until they are written."""
    sizes = [change.bytes for change in plan.changes]
    fits = affordable(sizes, max((change.rows.slot.size for change in plan.changes), default=0))
    return sum((2 if plan.new.layers else 1) * size for size, fit in zip(sizes, fits, strict=True) if fit)


def _copies(change: Change, least: int) -> int:
    """Return how many float64 copies of its rows a change makes; taking everything off computes nothing."""
    return ROUNDED if change.floors else least


def free(folder: Path) -> int:
    """Return the bytes that are free where a file or folder lies, or will lie."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize
