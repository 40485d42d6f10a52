"""The bytes of a file brought into another, past the page cache where the file system allows it.

A checkpoint is large and is not read again at once. Through the cache each of its pages would first have to be found a page
of memory, which is most of what `cp` spends its time with, and everything else would be pushed out. So large parts
are read into a few buffers and written from there by the disk itself, one being filled while others are written.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Event

from .pool import Pool, result

BLOCK = 1 << 24  # bytes moved at a time past the cache
WRITERS = 2  # blocks written at once, while another is read
SMALL = 1 << 18  # bytes moved at a time through the cache: what a processor's own cache holds
PAGE = 1 << 12  # what places and lengths must be a multiple of, to go past the cache
DIRECT = getattr(os, "O_DIRECT", 0)  # Linux


def data(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of the parts of an open file that are not holes."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(handle, end, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno == errno.ENXIO:  # nothing but a hole is left
                return
            begin, end = end, size  # a file system that knows no holes
        else:
            end = os.lseek(handle, begin, os.SEEK_HOLE)
        yield begin, end


def memory_needed(size: int) -> int:
    """Return the bytes of memory that copying a part of so many bytes takes."""
    return (WRITERS + 1) * BLOCK if size >= WRITERS * BLOCK and DIRECT else SMALL


def transfer(source: int, target: int, begin: int, end: int, stop: Event | None) -> None:
    """Copy a part of an open file to the same place of another.

    Args:
        source: handle of a file that is long enough.
        target: handle of a file open for writing.
        begin: first byte.
        end: behind the last one.
        stop: set by another thread to end the copy with an InterruptedError.

    Raises:
        OSError: when the disk fails or is full, or the file became shorter.
    """
    aligned = end - end % PAGE
    if aligned - begin >= WRITERS * BLOCK and begin % PAGE == 0 and _past_cache(target, True):
        try:
            _by_blocks(source, target, begin, aligned, stop)
        finally:
            _past_cache(target, False)
        begin = aligned
    buffer = memoryview(bytearray(min(SMALL, end - begin)))
    while begin < end:
        begin += _move(source, target, buffer[: end - begin], begin, stop)


def _by_blocks(source: int, target: int, begin: int, end: int, stop: Event | None) -> None:
    """Copy whole pages: one block is read while others are written."""
    free = deque(memoryview(mmap.mmap(-1, BLOCK)) for _ in range(WRITERS + 1))  # at the beginning of a page
    running = deque[Future[memoryview]]()
    with Pool(WRITERS) as pool:  # nobody writes any more when the file is closed
        while begin < end:
            if not free:
                free.append(result(running.popleft()))
            block = free.popleft()
            part = block[: end - begin]
            _read(source, part, begin, stop)
            running.append(pool.submit(_write, target, part, begin, block))
            begin += len(part)
        while running:
            result(running.popleft())


def _move(source: int, target: int, part: memoryview, begin: int, stop: Event | None) -> int:
    _read(source, part, begin, stop)
    _write(target, part, begin, part)
    return len(part)


def _read(source: int, part: memoryview, begin: int, stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise InterruptedError(errno.EINTR, "the copy was stopped")
    while part:
        count = os.preadv(source, [part], begin)
        if not count:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        begin, part = begin + count, part[count:]


def _write(target: int, part: memoryview, begin: int, block: memoryview) -> memoryview:
    """Write all of a part; returns the block it lies in, which is free again."""
    while part:
        try:
            count = os.pwrite(target, part, begin)
        except OSError as problem:
            if problem.errno != errno.EINVAL or not _past_cache(target, False):
                raise
        else:  # otherwise its pages are larger than ours: once more, through the cache
            begin, part = begin + count, part[count:]
    return block


def _past_cache(handle: int, past: bool) -> bool:
    """Let writes to an open file go past the page cache, or not; returns whether that is a change (and possible)."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    new = flags | DIRECT if past else flags & ~DIRECT
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, new)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return False
    return new != flags
