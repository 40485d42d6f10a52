"""Rows of one tensor of a checkpoint: read, overlaid, changed and hashed a few megabytes at a time.

    state = round(... round(round(base + floor 0) + floor 1) ...)      base: the bits before any patch

Patches made for the same weights share a floor: they are summed before the one rounding. A patch made on the result of
others stands a floor higher. With the base bits of the touched rows kept (`Undo`), any state can be computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..delta import CHUNK, Delta, rounded, touched
from ..tensorfile import DTYPES
from .disk import File
from .header import Slot
from .spans import read_into, runs
from .undo import Undo

BLOCK = 1 << 23  # bytes hashed at a time
SURVEYED = CHUNK // 4  # entries surveyed at a time: several tensors are surveyed side by side
PART = CHUNK // 16  # entries of touched rows computed at a time: what fits the caches is computed fastest
Floors = Mapping[int, tuple[Delta, ...]]


@dataclass(frozen=True)
class Rows:
    """A tensor on disk, seen as rows.

    Attributes:
        slot: where it lies.
        shape: (rows, ...) as its patches see it.
        undo: where the base bits of rows are kept that are not in the file any more.
    """

    slot: Slot
    shape: tuple[int, ...]
    undo: tuple[Undo, ...] = field(default=(), repr=False)

    @property
    def dtype(self) -> torch.dtype:
        """Type of its numbers."""
        return DTYPES[self.slot.dtype]

    @property
    def width(self) -> int:
        """Bytes of one row."""
        return self.slot.size // self.shape[0] if self.shape[0] else 0

    def current(self, rows: Tensor) -> Tensor:
        """Return rows as the file has them: (len(rows), ...)."""
        found = torch.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        content, width = _view(found), self.width
        with self.slot.file.open("rb", buffering=0) as stream:
            for first, position, count in runs(rows):
                view = content[position * width : (position + count) * width]
                read_into(stream.fileno(), view, self.slot.begin + first * width, self.slot)
        return found

    def base(self, rows: Tensor) -> Tensor:
        """Return rows as they were before any patch."""
        found = self.current(rows)  # ours alone, so it may be overlaid
        for undo in self.undo:
            undo.overlay(self.slot.name, rows, found)
        return found

    def states(self, rows: Tensor, floors: Floors, base: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the rows after each floor, the lowest first; `base` is what they were before any patch."""
        values = base
        for floor, terms in sorted(floors.items()):
            own = torch.isin(rows, touched(terms, self.shape)).nonzero()[:, 0]
            if len(own) == len(rows):
                values = rounded(values, terms, rows, self.shape, self.dtype)
            elif len(own):
                values = values.clone()
                values[own] = rounded(values[own], terms, rows[own], self.shape, self.dtype)
            yield floor, values

    def final(self, rows: Tensor, floors: Floors) -> Tensor:
        """Return the rows with all floors on."""
        values = self.base(rows)
        for _, state in self.states(rows, floors, values):
            values = state
        return values

    def sha256(self) -> str:
        """Return the hash of the tensor as the file has it."""
        state, block = hashlib.sha256(), memoryview(bytearray(min(BLOCK, self.slot.size)))
        with self.slot.file.open("rb", buffering=0) as stream:
            for position in range(0, self.slot.size, BLOCK):
                view = block[: self.slot.size - position]
                read_into(stream.fileno(), view, self.slot.begin + position, self.slot)
                state.update(view)
        return state.hexdigest()

    def survey(self, rows: Tensor, floors: Floors, known: str = "", *, whole: bool = True) -> Survey:
        """Compute what a change of `rows` gives, without writing: every hash from one reading, and the entries changed.

        Args:
            rows: their numbers, sorted.
            floors: the changes.
            known: SHA-256 of what is in the file, where it was computed before.
            whole: read and hash the whole tensor, not these rows alone.
        """
        now, base = hashlib.sha256(), hashlib.sha256()
        after = {floor: hashlib.sha256() for floor in sorted(floors)}
        changed = broken = 0
        squares = torch.zeros(2, dtype=torch.float64)
        for block in self._blocks() if whole else self.parts(rows):
            values = self.current(block)
            begin, end = torch.searchsorted(rows, block[[0, -1]] + torch.tensor([0, 1])).tolist()
            here = rows[begin:end]
            place = torch.searchsorted(block, here)
            if not known:
                now.update(_view(values))
            present = values[place]
            if self.undo:
                for undo in self.undo:
                    undo.overlay(self.slot.name, block, values)
                base.update(_view(values))
            old = final = values[place]
            for floor, final in self.states(here, floors, old):
                values[place] = final
                after[floor].update(_view(values))
            changed += _differing(present, final)
            before = old.double()
            moved = final.to(torch.float64, copy=True).sub_(before)
            if not (sums := torch.stack([_square(moved), _square(before)])).isfinite().all():
                sums[0] = _square(moved.nan_to_num_(0, 0, 0))
                broken += int((old.isfinite() & ~final.isfinite()).sum())
            squares += sums
        found = known or now.hexdigest()
        digests = {floor: state.hexdigest() for floor, state in after.items()}
        change, held = (squares / max(1, len(rows) * (self.width // self.dtype.itemsize))).sqrt().tolist()
        return Survey(found, base.hexdigest() if self.undo else found, digests, changed, change, held, broken)

    def write(self, file: File, rows: Tensor, floors: Floors) -> str:
        """Put the final state of `rows` into a file that holds the tensor at the same place; returns their SHA-256."""
        state = hashlib.sha256()
        for part in self.parts(rows):
            content = _view(self.final(part, floors))
            state.update(content)
            for first, position, count in runs(part):
                piece = content[position * self.width : (position + count) * self.width]
                file.write(piece, self.slot.begin + first * self.width)
        return state.hexdigest()

    def sha256_of(self, rows: Tensor) -> str:
        """Return the hash of some rows as the file has them."""
        state = hashlib.sha256()
        for part in self.parts(rows):
            state.update(_view(self.current(part)))
        return state.hexdigest()

    def parts(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield row numbers in groups that fit in memory."""
        yield from rows.split(max(1, PART // max(1, int(torch.Size(self.shape[1:]).numel()))))

    def _blocks(self) -> Iterator[Tensor]:
        yield from torch.arange(self.shape[0]).split(
            max(1, SURVEYED // max(1, int(torch.Size(self.shape[1:]).numel())))
        )


@dataclass(frozen=True)
class Survey:
    """What a change would give; hashes are of the whole tensor, or of the rows asked for where no more was read.

    Attributes:
        current: SHA-256 of the tensor as it is on disk.
        base: the same before any patch.
        after: SHA-256 after each floor.
        changed: entries that differ from what is on disk now.
        moved: root mean square of the whole change, over the rows that patches touch.
        held: the same of those rows before any patch.
        broken: numbers that were finite and are not any more.
        rows: SHA-256 that the touched rows will have, where the hashes of the whole are what a patch claims (see `quick`).
    """

    current: str
    base: str
    after: dict[int, str]
    changed: int
    moved: float
    held: float
    broken: int
    rows: str = ""

    @property
    def final(self) -> str:
        """SHA-256 with all floors on."""
        return self.after[max(self.after)] if self.after else self.base


def _view(values: Tensor) -> memoryview:
    return values.contiguous().view(-1).view(torch.uint8).numpy().data if values.numel() else memoryview(b"")


def _square(values: Tensor) -> Tensor:
    flat = values.view(-1)
    return flat.dot(flat)


def _differing(a: Tensor, b: Tensor) -> int:
    """Count the entries whose bits differ."""
    integers = {8: torch.int64, 4: torch.int32, 2: torch.int16}[a.element_size()]
    return int((a.view(integers) != b.view(integers)).sum())
