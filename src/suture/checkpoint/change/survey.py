"""What a change of one tensor would give, computed without writing: hashes, entries changed, sizes.

What was computed of the touched rows can be remembered until they are written, so that it is computed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...io.tensorfile import differing, view
from .rows import Floors, Rows

REMEMBERED = 1 << 28  # bytes of rows that are remembered at most
SMALL = 1 << 25  # of these, beside twice the largest touched tensor: memory goes with the size of the tensors (R27)


@dataclass(frozen=True)
class Remembered:
    """The touched rows of a tensor.

    Attributes:
        base: (rows, ...) as they were before any patch.
        final: (rows, ...) as they will be; the same tensor where nothing is left on it.
    """

    base: Tensor
    final: Tensor

    @classmethod
    def of(cls, rows: Rows, touched: Tensor, floors: Floors) -> Remembered:
        """Return room for some rows of a tensor: taken at once, for what comes and goes meanwhile would lie between."""
        base = torch.empty((len(touched), *rows.shape[1:]), dtype=rows.dtype)
        return cls(base, torch.empty_like(base) if floors else base)

    @property
    def bytes(self) -> int:
        """How much it is."""
        return self.base.nbytes + (0 if self.final is self.base else self.final.nbytes)

    def put(self, begin: int, base: Tensor, final: Tensor) -> None:
        """Keep some of the rows, from one on."""
        self.base[begin : begin + len(base)] = base
        if self.final is not self.base:
            self.final[begin : begin + len(base)] = final


@dataclass(frozen=True)
class Survey:
    """What a change would give; hashes are of the whole tensor, or of the rows asked for where no more was read.

    Attributes:
        current: SHA-256 of the tensor as it is on disk.
        base: the same before any patch; of rows alone "" where they are patched.
        after: SHA-256 after each floor.
        changed: entries that differ from what is on disk now.
        moved: root mean square of the whole change, over the rows that patches touch.
        held: the same of those rows before any patch; 0 where nothing is left on them.
        broken: numbers that were finite and are not any more.
        rows: SHA-256 that the touched rows will have, where the hashes of the whole are what a patch claims (see `quick`).
        remembered: the touched rows themselves, or None.
    """

    current: str
    base: str
    after: dict[int, str]
    changed: int
    moved: float
    held: float
    broken: int
    rows: str = ""
    remembered: Remembered | None = field(default=None, repr=False)

    @property
    def final(self) -> str:
        """SHA-256 with all floors on."""
        return self.after[max(self.after)] if self.after else self.base


def survey_whole(rows: Rows, touched: Tensor, floors: Floors, known: str = "", *, remember: bool = False) -> Survey:
    """Survey a change by one reading of the whole tensor.

    Args:
        rows: the tensor.
        touched: numbers of the rows that may change, sorted.
        floors: the changes.
        known: SHA-256 of what is in the file, where it was computed before.
        remember: the touched rows as well.
    """
    now, base = hashlib.sha256(), hashlib.sha256()
    after = {floor: hashlib.sha256() for floor in sorted(floors)}
    tally, patched = _Tally(), rows.patched
    remembered = Remembered.of(rows, touched, floors) if remember else None
    for block in rows.blocks():
        values = rows.current(block)
        begin, end = torch.searchsorted(touched, block[[0, -1]] + torch.tensor([0, 1])).tolist()
        here = touched[begin:end]
        place = here - block[0]
        if not known:
            now.update(view(values))
        present = values[place]
        if patched:
            base.update(view(rows.overlaid(block, values)))
        old = final = values[place]
        for floor, final in rows.states(here, floors, old):
            values[place] = final
            after[floor].update(view(values))
        tally.add(present, old, final)
        if remembered:
            remembered.put(begin, old, final)
    current = known or now.hexdigest()
    digests = {floor: state.hexdigest() for floor, state in after.items()}
    return tally.survey(current, base.hexdigest() if patched else current, digests, remembered)


def survey_rows(rows: Rows, touched: Tensor, floors: Floors, *, remember: bool = False) -> Survey:
    """Survey a change by reading the touched rows alone; arguments as for `survey_whole`."""
    now = hashlib.sha256()
    after = {floor: hashlib.sha256() for floor in sorted(floors)}
    tally, patched = _Tally(), rows.patched
    remembered, begin = Remembered.of(rows, touched, floors) if remember else None, 0
    for here in rows.parts(touched):
        present = rows.current(here)
        now.update(view(present))
        old = final = rows.overlaid(here, present.clone()) if patched else present
        for floor, final in rows.states(here, floors, old):
            after[floor].update(view(final))
        tally.add(present, old, final)
        if remembered:
            remembered.put(begin, old, final)
        begin += len(here)
    current, digests = now.hexdigest(), {floor: state.hexdigest() for floor, state in after.items()}
    return tally.survey(current, "" if patched else current, digests, remembered)


def affordable(sizes: Sequence[int], largest: int, spent: int = 0) -> list[bool]:
    """Return of which tensors the touched rows are remembered: in order, as long as they fit.

    Args:
        sizes: bytes of the touched rows of each tensor.
        largest: bytes of the largest of the tensors.
        spent: bytes that are remembered already.
    """
    room, fits = min(REMEMBERED, SMALL + 2 * largest) - spent, []
    for size in sizes:
        fits.append(2 * size <= room)  # before and after
        room -= 2 * size if fits[-1] else 0
    return fits


class _Tally:
    """What a change does to the touched rows, added up part by part."""

    def __init__(self) -> None:
        self.changed = self.broken = self.entries = 0
        self.squares = torch.zeros(2, dtype=torch.float64)

    def add(self, present: Tensor, old: Tensor, final: Tensor) -> None:
        """Count some rows: as they are on disk, before any patch, and as they will be."""
        self.entries += final.numel()
        self.changed += differing(present, final)
        if final is old:  # nothing is left on them
            return
        before = old.double()
        moved = final.to(torch.float64, copy=True).sub_(before)
        if not (sums := torch.stack([_square(moved), _square(before)])).isfinite().all():
            sums[0] = _square(moved.nan_to_num_(0, 0, 0))
            self.broken += int((old.isfinite() & ~final.isfinite()).sum())
        self.squares += sums

    def survey(self, current: str, base: str, after: dict[int, str], remembered: Remembered | None) -> Survey:
        """Return what was found, with these hashes."""
        moved, held = (self.squares / max(1, self.entries)).sqrt().tolist()
        return Survey(current, base, after, self.changed, moved, held, self.broken, remembered=remembered)


def _square(values: Tensor) -> Tensor:
    flat = values.view(-1)
    return flat.dot(flat)
