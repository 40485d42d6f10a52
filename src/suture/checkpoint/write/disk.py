"""Every change suture makes to a disk below a checkpoint, in one place: counted, flushed, and able to be made to fail.

A `Disk` calls `step` before each operation. The tests and campaigns replace it: the n-th operation fails, or the process
is killed there. Nothing else in this package writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from ...errors import ResourceError
from .copying import data, transfer

FICLONE = 0x40049409  # ioctl of Linux: share the blocks of another file
NEAR = 1 << 14  # bytes: what lies between two pages that is read with them
NO_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)


class File:
    """A file open for writing; see `Disk.create` and `Disk.edit`."""

    def __init__(self, disk: Disk, path: Path, handle: int) -> None:
        self.disk, self.path, self.handle = disk, path, handle

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """Write all of `data` at a byte offset."""
        self.disk.step("write", self.path)
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self.handle, rest, offset)
            offset, rest = offset + count, rest[count:]

    def expect(self, offset: int, count: int) -> None:
        """Let the system read the pages that are about to be overwritten in part: it can write no less than a page."""
        ends = [(offset, count)] if count <= NEAR else [(offset, 1), (offset + count - 1, 1)]
        for begin, length in ends if hasattr(os, "posix_fadvise") else ():  # not on macOS
            os.posix_fadvise(self.handle, begin, length, os.POSIX_FADV_WILLNEED)


class Disk:
    """The operations that change a disk."""

    def step(self, what: str, path: Path) -> None:
        """Do nothing; called before every operation with its name and place."""

    @contextmanager
    def create(self, path: Path, *, flush: bool = True) -> Iterator[File]:
        """Open a file that must not be there yet; on leaving without an error its content is on the disk (if `flush`)."""
        with self._open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, flush=flush) as file:
            yield file

    @contextmanager
    def edit(self, path: Path) -> Iterator[File]:
        """Open a file of ours to overwrite parts of it; flushed on leaving without an error."""
        with self._open(path, os.O_RDWR) as file:
            yield file

    def check(self, path: Path) -> None:
        """Raise the OSError that `edit` would, before anything is changed; nothing is changed by asking."""
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))

    def write(self, path: Path, content: bytes, partial: Path | None = None) -> None:
        """Put a small file in its place, whole or not at all, and on the disk.

        Args:
            path: its place.
            content: all of it.
            partial: what it is called until it is whole; must not be there yet.
        """
        partial = partial or path.with_name(f"{path.name}.partial")
        with self.create(partial) as file:
            file.write(content, 0)
        self.rename(partial, path)
        # the folder it left as well: else a loss of power can leave it the old name too
        for folder in dict.fromkeys((path.parent, partial.parent)):
            self.flush(folder)

    def copy(self, source: Path, target: Path, stop: Event | None = None, *, flush: bool = True) -> bool:
        """Copy a file with its holes; shares its blocks where the file system can. Returns whether it did.

        Args:
            source: what is copied.
            target: a file that must not be there yet.
            stop: set by another thread to end the copy with an InterruptedError.
            flush: wait until it is on the disk.
        """
        with source.open("rb") as stream, self.create(target, flush=flush) as file:
            if self.clone(stream.fileno(), file):
                return True
            size = os.fstat(stream.fileno()).st_size
            os.ftruncate(file.handle, size)
            for begin, end in data(stream.fileno(), size):
                self.step("write", target)
                transfer(stream.fileno(), file.handle, begin, end, stop)
        return False

    def clone(self, source: int, file: File) -> bool:
        """Make an empty file share the blocks of an open one. Returns whether the file system can."""
        try:
            fcntl.ioctl(file.handle, FICLONE, source)
        except OSError as problem:
            if problem.errno in NO_CLONE:
                return False
            raise
        return True

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        self.step("link", target)
        target.hardlink_to(source.resolve())

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file or folder."""
        self.step("rename", target)
        source.rename(target)

    def folder(self, path: Path) -> None:
        """Make a folder unless it is there."""
        self.step("folder", path)
        path.mkdir(exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file or an empty folder, if there; never what a link points to."""
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        self.step("remove", path)
        path.rmdir() if stat.S_ISDIR(mode) else path.unlink()

    def flush(self, folder: Path) -> None:
        """Bring the names of a folder to the disk."""
        self.step("flush", folder)
        handle = os.open(folder, os.O_RDONLY)
        try:
            self.sync(handle)
        finally:
            os.close(handle)

    def sync(self, handle: int) -> None:
        """Wait until what was written to an open file or folder is on the disk."""
        os.fsync(handle)

    @contextmanager
    def _open(self, path: Path, flags: int, *, flush: bool = True) -> Iterator[File]:
        self.step("open", path)
        handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            yield File(self, path, handle)
            if flush:
                self.step("flush", path)
                self.sync(handle)
        finally:
            os.close(handle)


DISK = Disk()


def check_room(folder: Path, needed: int) -> None:
    """Raise ResourceError unless `needed` bytes are free where a folder lies (or will lie)."""
    while not folder.exists():
        folder = folder.parent
    system = os.statvfs(folder)
    free = system.f_bavail * system.f_frsize
    if needed > free:
        raise ResourceError(
            f"not enough disk: {needed} bytes are needed, {free} are free",
            why=f"On the disk of {folder}.",
            fix="Free some disk, write elsewhere, or use `in_place=True` (touched rows only) or `link=True`.",
        )
