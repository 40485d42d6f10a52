"""Files copied past the page cache, or through it where that can not be."""

import errno
import fcntl
import os
import threading
import time
from threading import Event

import pytest

from suture.checkpoint.write import copying
from suture.checkpoint.write.copying import PAGE
from suture.checkpoint.write.disk import DISK

SIZES = [0, 1, PAGE - 1, PAGE, 9 * PAGE, 9 * PAGE + 1, 40 * PAGE, 41 * PAGE + 77]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(copying, "BLOCK", 4 * PAGE)
    monkeypatch.setattr(copying, "SMALL", 1000)


@pytest.fixture
def ways(monkeypatch):
    """What was written past the cache and through it: [(bytes, past)]."""
    seen, pwrite = [], os.pwrite

    def written(handle, part, offset):
        seen.append((len(part), bool(fcntl.fcntl(handle, fcntl.F_GETFL) & copying.DIRECT)))
        return pwrite(handle, part, offset)

    monkeypatch.setattr(os, "pwrite", written)
    return seen


def made(folder, size):
    (folder / "a").write_bytes(os.urandom(size))
    return folder / "a", folder / "b"


@pytest.mark.parametrize("size", SIZES)
def test_every_byte_is_copied(tmp_path, size):
    source, target = made(tmp_path, size)
    DISK.copy(source, target)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.skipif(not copying.DIRECT, reason="not this system")
def test_whole_pages_of_large_files_go_past_the_cache(tmp_path, ways):
    source, target = made(tmp_path, 41 * PAGE + 77)
    probe = os.open(source, os.O_RDWR)
    possible = copying._past_cache(probe, True)
    os.close(probe)
    DISK.copy(source, target)
    assert sum(count for count, _ in ways) == 41 * PAGE + 77
    assert sum(count for count, past in ways if past) == (41 * PAGE if possible else 0)


def test_small_files_go_through_the_cache(tmp_path, ways):
    DISK.copy(*made(tmp_path, 7 * PAGE))
    assert not any(past for _, past in ways)


@pytest.mark.parametrize("how", ["not here", "flag refused", "write refused"])
def test_a_file_system_that_can_not(tmp_path, monkeypatch, how):
    control, pwrite, direct = fcntl.fcntl, os.pwrite, copying.DIRECT

    def controlled(handle, what, flags=0):
        if how == "flag refused" and what == fcntl.F_SETFL and flags & direct:
            raise OSError(errno.EINVAL, "no such flag")
        return control(handle, what, flags)

    def written(handle, part, offset):
        if how == "write refused" and control(handle, fcntl.F_GETFL) & direct:
            raise OSError(errno.EINVAL, "pages are larger")
        return pwrite(handle, part, offset)

    monkeypatch.setattr(copying, "DIRECT", 0 if how == "not here" else direct)
    monkeypatch.setattr(fcntl, "fcntl", controlled)
    monkeypatch.setattr(os, "pwrite", written)
    source, target = made(tmp_path, 41 * PAGE + 77)
    DISK.copy(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_what_is_written_in_pieces_is_written_whole(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, part, offset: pwrite(handle, part[:PAGE], offset))
    source, target = made(tmp_path, 41 * PAGE + 77)
    DISK.copy(source, target)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("size", [9 * PAGE // 2, 40 * PAGE])
def test_it_can_be_stopped_between_blocks(tmp_path, monkeypatch, size):
    stop, preadv = Event(), os.preadv

    def read(handle, parts, offset):
        if offset >= size // 2:
            stop.set()
        return preadv(handle, parts, offset)

    monkeypatch.setattr(os, "preadv", read)
    source, target = made(tmp_path, size)
    with pytest.raises(InterruptedError):
        DISK.copy(source, target, stop)
    assert target.read_bytes()[-PAGE:] == bytes(PAGE)


@pytest.mark.parametrize("size", [5000, 40 * PAGE])
def test_a_file_that_becomes_shorter_is_an_error(tmp_path, monkeypatch, size):
    preadv = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *given: 0 if given[2] > size // 2 else preadv(*given))
    with pytest.raises(OSError, match="shorter"):
        DISK.copy(*made(tmp_path, size))


def test_when_a_write_fails_nobody_writes_any_more(tmp_path, monkeypatch):
    under_way, most, pwrite = [], [], os.pwrite

    def written(handle, part, offset):
        if not fcntl.fcntl(handle, fcntl.F_GETFL) & copying.DIRECT:
            return pwrite(handle, part, offset)
        under_way.append(offset)
        most.append(len(under_way))
        time.sleep(0.02)
        under_way.remove(offset)
        if offset == 8 * PAGE:
            raise OSError(errno.ENOSPC, "full")
        return pwrite(handle, part, offset)

    monkeypatch.setattr(os, "pwrite", written)
    before = threading.active_count()
    source, target = made(tmp_path, 80 * PAGE)
    probe = os.open(source, os.O_RDWR)
    if not copying._past_cache(probe, True):
        pytest.skip("the file system can not")
    os.close(probe)
    with pytest.raises(OSError, match="full"):
        DISK.copy(source, target)
    assert not under_way
    assert max(most) == copying.WRITERS
    assert threading.active_count() == before
