"""One writer at a time: an advisory lock on the folder itself, released by the system when the process ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import ResourceError

# What file systems without locks answer. Nobody can write under a lock there, so there is nothing to wait for.
UNLOCKABLE = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the lock of a folder. Any number may read; who writes is alone.

    Raises:
        ResourceError: when another run holds it, or the folder was renamed or removed meanwhile.
    """
    handle = _Handle(folder)
    try:
        try:
            _lock(handle.number, exclusive)
            same = os.fstat(handle.number).st_ino == folder.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        if not same:
            why = (
                "It is read or changed there."
                if exclusive
                else "It is changed there, so what is read might be half of it."
            )
            raise ResourceError(
                f"{folder} is in use by another run of suture",
                why=why,
                fix="Wait until that has ended, then try again.",
            )
        yield
    finally:
        handle.close()


class _Handle:
    """An open folder; closed at the latest when nobody has it any more, so that Ctrl-C between two bytecodes leaves no lock."""

    def __init__(self, folder: Path) -> None:
        self.number = -1
        self.number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        if self.number >= 0:
            number, self.number = self.number, -1
            os.close(number)

    __del__ = close


def _lock(handle: int, exclusive: bool) -> None:
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as problem:
        if exclusive or problem.errno not in UNLOCKABLE:
            raise
