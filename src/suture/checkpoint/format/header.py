"""The header of a safetensors shard, read strictly: nothing in it is believed before it is checked.

File: u64 little-endian size of the header, JSON header {name: {dtype, shape, data_offsets}}, data. The tensors must cover
the data exactly, without gap or overlap. Sizes are Python integers, so no product overflows; nothing is read or allocated
by a size before that size was compared with the file.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CorruptFile, SutureError, UsageError
from ...io.system import reported
from .causes import fault

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64, "F16": 16, "BF16": 16,
    "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
LARGEST = 25_000_000  # bytes of a header; about 200,000 tensors in one shard
TEXTS = {
    b"version https://git-lfs": "lfs",
    b"<!doctype": "web page",
    b"<html": "web page",
}  # how what is no file begins
DEEPEST = 8  # axes of a tensor
FIX = "Fetch the checkpoint again."


@dataclass(frozen=True)
class Slot:
    """Where one tensor lies on disk.

    Attributes:
        name: of the tensor.
        file: the shard.
        dtype: as safetensors calls it.
        raw: shape in the file.
        begin: first byte in the file.
        size: bytes.
    """

    name: str
    file: Path
    dtype: str
    raw: tuple[int, ...]
    begin: int
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as patches see it: of 3-D tensors (experts) the first two axes are joined (see `model.arch.sites.Stored`)."""
        return (self.raw[0] * self.raw[1], self.raw[2]) if len(self.raw) == 3 else self.raw


def regular(path: Path) -> os.stat_result:
    """Return the size and kind of a plain file.

    Raises:
        CorruptFile: when it is anything else (a folder, a pipe, a device) or absent.
        ResourceError: when the disk fails, or files have run out; so do those that read it.
    """
    with _read(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise CorruptFile(f"{path} is not a plain file", fix=FIX)
    return status


def read_json(path: Path, largest: int = LARGEST) -> dict[str, Any]:
    """Read a JSON object from a file, with a limit on its size; a key that stands twice is an error.

    Raises:
        CorruptFile: when it is not that.
    """
    size = regular(path).st_size
    check_text(path)
    if size > largest:
        raise CorruptFile(f"{path} is too large", why=f"More than {largest} bytes.", fix=FIX)
    with _read(path):
        content = path.read_bytes()
    return _parsed(content, path)


def read_header(path: Path) -> dict[str, Slot]:
    """Return where each tensor of a shard lies.

    Raises:
        CorruptFile: when anything about the header is not as it must be.
    """
    total = regular(path).st_size

    def bad(why: str, cause: str = "damaged") -> SutureError:
        return fault(cause, file=path, why=why)

    check_text(path)
    with _read(path), path.open("rb") as stream:
        head = stream.read(8)
        if len(head) < 8:
            raise bad("It is shorter than a header.", "cut")
        (size,) = struct.unpack("<Q", head)
        if size > min(LARGEST, total - 8):
            raise bad(f"Its header claims {size} bytes.", "cut" if size <= LARGEST else "damaged")
        header = _parsed(stream.read(size), path)
    header.pop("__metadata__", None)
    slots = [_slot(name, entry, path, 8 + size) for name, entry in header.items()]
    if None in slots:
        name = list(header)[slots.index(None)]
        raise bad(f"The entry of {name!r} does not fit.")
    ordered = sorted((slot for slot in slots if slot), key=lambda slot: (slot.begin, slot.size))
    position = 8 + size
    for slot in ordered:
        if slot.begin != position:
            raise bad(f"{slot.name!r} begins at byte {slot.begin}, not at {position}.")
        position += slot.size
    if position != total:
        raise bad(f"Its tensors end at byte {position}, the file at {total}.", "cut" if position > total else "damaged")
    return {slot.name: slot for slot in ordered}


def check_text(path: Path) -> None:
    """Raise CorruptFile when something was put in place of a file: a pointer of git-lfs, or a page of the web."""
    with _read(path), path.open("rb") as stream:
        beginning = stream.read(64).lstrip().lower()
    for start, cause in TEXTS.items():
        if beginning.startswith(start):
            raise fault(cause, file=path, folder=path.parent)


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Say of a file that it is broken, or that it is not for this user to read."""
    if path.exists() and not os.access(path, os.R_OK):
        raise UsageError(f"can not read {path}", why="Permission denied.", fix=f"Make it readable: chmod u+r {path}")
    with reported(f"can not read {path}", fix=FIX, kind=CorruptFile):
        yield


def _slot(name: str, entry: Any, path: Path, start: int) -> Slot | None:  # noqa: ANN401 - untrusted JSON
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS or not isinstance(shape, list) or not isinstance(offsets, list):
        return None
    numbers = (*shape, *offsets)
    if len(shape) > DEEPEST or len(offsets) != 2 or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        return None
    bits = math.prod(shape) * BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        return None
    return Slot(name, path, dtype, tuple(shape), start + offsets[0], bits // 8)


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise CorruptFile(f"{path} holds no valid JSON", why=str(problem).splitlines()[0], fix=FIX) from problem
    if not isinstance(value, dict):
        raise CorruptFile(f"{path} holds no JSON object", fix=FIX)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries
