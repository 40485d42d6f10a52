"""Rows of one tensor of a checkpoint: read, overlaid, changed and hashed a few megabytes at a time.

    state = round(... round(round(base + floor 0) + floor 1) ...)      base: the bits before any patch

Patches made for the same weights share a floor: they are summed before the one rounding. A patch made on the result of
others stands a floor higher. With the base bits of the touched rows kept (`Undo`), any state can be computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ...io.tensorfile import DTYPES, view
from ...patch.delta import rounded, touched
from ...patch.delta_kind import CHUNK, Delta
from ..format.header import Slot
from ..format.spans import BLOCK, read_into, runs
from ..stack.undo import Undo
from ..write.disk import File

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

    def at(self, file: Path) -> Rows:
        """Return the same tensor in a copy of its shard."""
        return replace(self, slot=replace(self.slot, file=file))

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
        values = torch.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        content, width = view(values), self.width
        with self.slot.file.open("rb", buffering=0) as stream:
            for first, position, count in runs(rows):
                piece = content[position * width : (position + count) * width]
                read_into(stream.fileno(), piece, self.slot.begin + first * width, self.slot)
        return values

    def base(self, rows: Tensor) -> Tensor:
        """Return rows as they were before any patch."""
        return self.overlaid(rows, self.current(rows))

    def overlaid(self, rows: Tensor, values: Tensor) -> Tensor:
        """Put the base bits that are kept in the place of those in `values` (len(rows), ...), and return that."""
        for undo in self.undo:
            undo.overlay(self.slot.name, rows, values)
        return values

    @property
    def patched(self) -> bool:
        """Whether base bits of some rows are kept elsewhere than in the file."""
        return any(self.slot.name in undo for undo in self.undo)

    def states(self, rows: Tensor, floors: Floors, base: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the rows after each floor, the lowest first; `base` is what they were before any patch."""
        values = base
        for floor, terms in sorted(floors.items()):
            positions = torch.isin(rows, touched(terms, self.shape)).nonzero()[:, 0]
            if len(positions) == len(rows):
                values = rounded(values, terms, rows, self.shape, self.dtype)
            elif len(positions):
                values = values.clone()
                values[positions] = rounded(values[positions], terms, rows[positions], self.shape, self.dtype)
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
                piece = block[: self.slot.size - position]
                read_into(stream.fileno(), piece, self.slot.begin + position, self.slot)
                state.update(piece)
        return state.hexdigest()

    def expect(self, file: File, rows: Tensor) -> None:
        """Say which rows are about to be written, so that all their pages are fetched at once and not one by one."""
        for first, _, count in runs(rows):
            file.expect(self.slot.begin + first * self.width, count * self.width)

    def write(self, file: File, rows: Tensor, values: Tensor) -> None:
        """Put rows into a file that holds the tensor at the same place."""
        content = view(values)
        for first, position, count in runs(rows):
            piece = content[position * self.width : (position + count) * self.width]
            file.write(piece, self.slot.begin + first * self.width)

    def sha256_of(self, rows: Tensor) -> str:
        """Return the hash of some rows as the file has them."""
        state = hashlib.sha256()
        for part in self.parts(rows):
            state.update(view(self.current(part)))
        return state.hexdigest()

    def parts(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield rows, or their numbers, in groups that are computed together."""
        yield from rows.split(max(1, PART // max(1, int(torch.Size(self.shape[1:]).numel()))))

    def blocks(self) -> Iterator[Tensor]:
        """Yield the numbers of all rows in groups that are hashed together."""
        yield from torch.arange(self.shape[0]).split(
            max(1, SURVEYED // max(1, int(torch.Size(self.shape[1:]).numel())))
        )
