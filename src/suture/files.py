"""Small files, written whole or not at all, and their hashes. Knows nothing of tensors, so that it loads in an instant.

What is under way has a random name that was taken before anything is written to it: nothing of another is overwritten,
written through (links) or removed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ResourceError, UsageError
from .redact import hidden

FULL = (errno.ENOSPC, errno.EDQUOT)
EXHAUSTED = {  # what no other place would mend by itself: exit code 6, and what to do
    **dict.fromkeys(FULL, "Free some disk, or write elsewhere."),
    errno.EFBIG: "Write to a file system that holds larger files, or raise the limit: ulimit -f",
    errno.EIO: "Check the disk, or write elsewhere.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n",
    errno.ENFILE: "End programs that hold many files open, then try again.",
    errno.ENOMEM: "Free some memory, then try again.",
}
CHUNK = 1 << 20  # bytes read at a time


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn what the system refuses into an error for users; the one place that knows which is which.

    Raises:
        ResourceError: when the disk is full or fails, or files or memory have run out.
        UsageError: when the place can not be used.
    """
    try:
        yield
    except OSError as problem:
        why = f"{problem.strerror or problem}{f': {problem.filename}' if problem.filename else ''}"
        if problem.errno in EXHAUSTED:
            full = ": no room" if problem.errno in FULL else ""
            raise ResourceError(f"{what}{full}", why=why, fix=EXHAUSTED[problem.errno]) from problem
        raise UsageError(what, why=why, fix="Choose a place that can be read and written.") from problem


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
        ResourceError: when the disk is full or fails.
    """
    with reported(f"can not write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last: some writers choose their format by it.
        partial = path.with_name(f".{path.stem}.{os.urandom(8).hex()}.partial{path.suffix}")
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        try:
            yield partial
            _flush(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        _flush(path.parent)


@contextmanager
def built(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill; on leaving it takes the place of `folder`: nothing, or an empty one.

    Raises:
        UsageError: when nothing can be written there.
        ResourceError: when the disk is full or fails.
    """
    with reported(f"can not write {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f".{folder.name}.{os.urandom(8).hex()}.partial")
        partial.mkdir()
        try:
            yield partial
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


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
