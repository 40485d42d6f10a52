"""Byte ranges of rows: neighbouring rows are read and written together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor

from ..errors import CorruptFile
from .header import Slot


def runs(rows: Tensor) -> Iterator[tuple[int, int, int]]:
    """Yield (first row, its position in `rows`, count) of runs of neighbouring rows; `rows` is sorted."""
    breaks = (rows[1:] != rows[:-1] + 1).nonzero()[:, 0] + 1
    edges = [0, *breaks.tolist(), len(rows)]
    for begin, end in pairwise(edges):
        if end > begin:
            yield int(rows[begin]), begin, end - begin


def read_into(handle: int, view: memoryview, offset: int, slot: Slot) -> None:
    """Fill a view with the bytes of an open file from an offset on.

    Raises:
        CorruptFile: when the file ends before.
    """
    while view:
        count = os.preadv(handle, [view], offset)
        if not count:
            raise CorruptFile(f"{slot.file} ended while it was read", fix="Is another program writing it?")
        offset, view = offset + count, view[count:]
