"""The journal of calls that faults/journal.c writes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("<qqIIIiiHHI")
KINDS = "open read write size sync rename link unlink rmdir mkdir close symlink look leave".split()
CREATED, EMPTIED, WRITABLE, FOLDER = 1, 2, 4, 8
NAMING = ("rename", "link", "unlink", "rmdir", "mkdir", "symlink")
CHANGING = ("write", "size", "sync", *NAMING)


@dataclass(frozen=True)
class Call:
    """One record of the journal."""

    kind: str
    flags: int
    handle: int
    offset: int
    result: int
    error: int
    spoiled: bool
    first: str
    second: str
    data: bytes = field(repr=False)


def read_journal(path: Path) -> list[Call]:
    """Return the calls of a journal; the last may be cut off, as its process was killed."""
    return list(_calls(path.read_bytes())) if path.exists() else []


def _calls(content: bytes) -> Iterator[Call]:
    place = 0
    while place + HEAD.size <= len(content):
        offset, result, kind, flags, size, handle, error, first, second, spoiled = HEAD.unpack_from(content, place)
        ends = [place + HEAD.size]
        for length in (first, second, size):
            ends.append(ends[-1] + length)
        if ends[-1] > len(content):
            return
        one, other = (content[ends[n] : ends[n + 1]].decode(errors="surrogateescape") for n in (0, 1))
        data = content[ends[2] : ends[3]]
        yield Call(KINDS[kind], flags, handle, offset, result, error, bool(spoiled), one, other, data)
        place = ends[-1]
