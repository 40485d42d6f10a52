"""Small files, written whole or not at all, and their hashes. Knows nothing of tensors, so that it loads in an instant."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ResourceError, UsageError
from .redact import hidden

FULL = (errno.ENOSPC, errno.EDQUOT)
CHUNK = 1 << 20  # bytes read at a time


def write_bytes(path: Path, content: bytes) -> None:
    """Write any small file atomically and durably; see `written`."""
    with written(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text that people read or publish (a report, a card, a record), as `write_bytes` does, with secrets hidden.

    What holds the user's own data, to be read again word for word, is written with `write_bytes`.
    """
    write_bytes(path, hidden(text).encode())


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; on leaving, what was written is flushed and takes the place of `path`.

    Raises:
        UsageError: when nothing can be written there.
        ResourceError: when the disk is full.
    """
    # The suffix stays last: some writers choose their format by it.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _flush(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _flush(path.parent)
    except OSError as problem:
        why = problem.strerror or str(problem)
        if problem.errno in FULL:
            raise ResourceError(
                f"no room to write {path}", why=why, fix="Free some disk, or write elsewhere."
            ) from problem
        raise UsageError(f"can not write {path}", why=f"{why}.", fix="Choose a place that can be written.") from problem


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    state, block = hashlib.sha256(), memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            state.update(block[:count])
    return state.hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
