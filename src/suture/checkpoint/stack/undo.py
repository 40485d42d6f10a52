"""The base bits of the rows that patches touch, in one safetensors file: what takes any patch off again, exactly.

For each tensor: `NAME|rows` (n,) int64, sorted, and `NAME|old` (n, width) in the tensor's own type. Undo is not
subtraction: in bf16, (W + D) - D differs from W in up to a quarter of the entries.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ...errors import CorruptFile
from ...io.tensorfile import view
from ..format.header import Slot, read_header
from ..format.spans import read_into, runs
from ..write.disk import Disk
from ..write.pool import Pool, result

FORMAT = "suture.undo/1"
ALIGN = 8
AHEAD = 16  # groups of rows that are written and not hashed yet


@dataclass(frozen=True)
class Piece:
    """What is to be kept of one tensor.

    Attributes:
        name: of the tensor.
        dtype: as safetensors calls it.
        width: numbers in a row.
        rows: which rows, sorted.
        content: yields their base bits in order, in groups that fit in memory.
        item: bytes of a number.
    """

    name: str
    dtype: str
    width: int
    rows: Tensor = field(repr=False)
    content: Callable[[], Iterator[Tensor]] = field(repr=False)
    item: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of row numbers and of the rows."""
        return 8 * len(self.rows), len(self.rows) * self.width * self.item


def size(pieces: Sequence[Piece]) -> int:
    """Return an upper bound of the bytes of a file with these pieces."""
    return sum(sum(piece.sizes) + 400 + 2 * len(piece.name.encode()) for piece in pieces) + 100


def write(disk: Disk, path: Path, pieces: Sequence[Piece]) -> str:
    """Write a new file, a group of rows at a time. Returns its SHA-256."""
    state, offset = hashlib.sha256(), 0
    with Pool(1) as beside, disk.create(path) as file:
        hashed: list[Future[None]] = []  # while it is written, and while the disk is waited for
        for number, block in enumerate(_content(pieces)):
            hashed.append(beside.submit(state.update, block))
            file.write(block, offset)
            offset += len(block)
            if number >= AHEAD:
                result(hashed[number - AHEAD])
    return state.hexdigest()


def digest(pieces: Sequence[Piece]) -> str:
    """Return the SHA-256 of the file that `write` would write."""
    state = hashlib.sha256()
    for block in _content(pieces):
        state.update(block)
    return state.hexdigest()


def _header(pieces: Sequence[Piece]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": FORMAT}}
    position = 0
    for piece in pieces:
        numbers, values = piece.sizes
        middle, end = position + numbers, position + numbers + values
        header[f"{piece.name}|rows"] = {
            "dtype": "I64",
            "shape": [len(piece.rows)],
            "data_offsets": [position, middle],
        }
        shape = [len(piece.rows), piece.width]
        header[f"{piece.name}|old"] = {"dtype": piece.dtype, "shape": shape, "data_offsets": [middle, end]}
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % ALIGN)


def _content(pieces: Sequence[Piece]) -> Iterator[memoryview]:
    text = _header(pieces)
    yield memoryview(struct.pack("<Q", len(text)) + text)
    for piece in pieces:
        yield view(piece.rows)
        yield from map(view, piece.content())


class Undo:
    """Reads such a file; row numbers are kept in memory, rows are read when asked for.

    Args:
        path: the file.

    Raises:
        CorruptFile: when it is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slots = read_header(path)
        self._rows: dict[str, Tensor] = {}
        for name, slot in self._slots.items():
            tensor, _, part = name.rpartition("|")
            if part == "rows" and slot.dtype == "I64" and f"{tensor}|old" in self._slots:
                self._rows[tensor] = self._numbers(slot)
                if self._slots[f"{tensor}|old"].raw[:1] != slot.raw:
                    raise self._bad(tensor)
        if len(self._slots) != 2 * len(self._rows):
            raise self._bad("its index")

    def __contains__(self, name: str) -> bool:
        """Whether bits of a tensor are kept."""
        return name in self._rows

    def overlay(self, name: str, rows: Tensor, values: Tensor) -> None:
        """Put the kept bits of a tensor in the place of those in `values` (len(rows), ...), where there are some.

        Raises:
            CorruptFile: when what is kept does not fit the tensor.
        """
        kept_rows = self._rows.get(name)
        if kept_rows is None or not len(kept_rows) or not len(rows):
            return
        place = torch.searchsorted(kept_rows, rows).clamp(max=len(kept_rows) - 1)
        here = (kept_rows[place] == rows).nonzero()[:, 0]
        if not len(here):
            return
        slot = self._slots[f"{name}|old"]
        width = slot.size // len(kept_rows)
        if values.dtype.itemsize * values[0].numel() != width:
            raise self._bad(name)
        positions = place[here]
        content = bytearray(len(positions) * width)
        self._read(slot, positions, width, content)
        old = torch.frombuffer(content, dtype=values.dtype)
        old = old.reshape(len(here), *values.shape[1:])
        if len(here) == len(rows):
            values.copy_(old)
        else:
            values[here] = old

    def _read(self, slot: Slot, rows: Tensor, width: int, content: bytearray) -> None:
        with self.path.open("rb") as stream:
            for first, position, count in runs(rows):
                piece = memoryview(content)[position * width : (position + count) * width]
                read_into(stream.fileno(), piece, slot.begin + first * width, slot)

    def _numbers(self, slot: Slot) -> Tensor:
        if not slot.size:
            return torch.zeros(0, dtype=torch.int64)
        with self.path.open("rb") as stream:
            stream.seek(slot.begin)
            numbers = torch.frombuffer(bytearray(stream.read(slot.size)), dtype=torch.int64)
        if not bool((numbers[1:] > numbers[:-1]).all()):
            raise self._bad(slot.name)
        return numbers

    def _bad(self, where: str) -> CorruptFile:
        return CorruptFile(f"{self.path} is damaged", why=f"At {where}.", fix="Take the base checkpoint again.")
