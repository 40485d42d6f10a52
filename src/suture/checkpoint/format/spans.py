"""Byte ranges: of rows, neighbouring ones together; of whole tensors, a block at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ...errors import CorruptFile
from ...io.system import explained
from .header import Slot

BLOCK = 1 << 23  # bytes hashed or compared at a time


def runs(rows: Tensor) -> Iterator[tuple[int, int, int]]:
    """Yield (first row, its position in `rows`, count) of runs of neighbouring rows; `rows` is sorted."""
    begins = torch.ones(len(rows), dtype=torch.bool)
    begins[1:] = rows[1:] != rows[:-1] + 1
    positions = begins.nonzero()[:, 0]
    for first, (begin, end) in zip(rows[positions].tolist(), pairwise([*positions.tolist(), len(rows)]), strict=True):
        yield first, begin, end - begin


def read_into(handle: int, view: memoryview, offset: int, slot: Slot) -> None:
    """Fill a view with the bytes of an open file from an offset on.

    Raises:
        CorruptFile: when the file ends before.
    """
    while view:
        try:
            count = os.preadv(handle, [view], offset)
        except OSError as problem:  # it does not say of which file
            raise explained(problem, f"can not read {slot.file}") from problem
        if not count:
            raise CorruptFile(f"{slot.file} ended while it was read", fix="Is another program writing it?")
        offset, view = offset + count, view[count:]


def equal(one: Slot, other: Slot) -> bool:
    """Return whether two tensors (or files) hold the same bytes."""
    if one.size != other.size:
        return False
    with one.file.open("rb") as first, other.file.open("rb") as second:
        for position in range(0, one.size, BLOCK):
            count = min(BLOCK, one.size - position)
            left, right = bytearray(count), bytearray(count)
            read_into(first.fileno(), memoryview(left), one.begin + position, one)
            read_into(second.fileno(), memoryview(right), other.begin + position, other)
            if left != right:
                return False
    return True
