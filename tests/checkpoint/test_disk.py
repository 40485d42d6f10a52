import errno
import fcntl
import os

import pytest

from checkpoint_parts import QUICK, Failing, digests
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.write.disk import DISK, FICLONE, check_room
from suture.errors import ResourceError, UsageError
from suture.io.system import reported


def test_a_copy_keeps_bytes_and_holes(tmp_path):
    with (tmp_path / "a").open("wb") as stream:
        stream.write(b"x" * 10_000)
        stream.truncate(1 << 30)
        stream.seek(1 << 29)
        stream.write(b"y" * 10_000)
    DISK.copy(tmp_path / "a", tmp_path / "b")
    copy = os.stat(tmp_path / "b")
    assert copy.st_size == 1 << 30
    assert copy.st_blocks * 512 < 1 << 20
    with (tmp_path / "b").open("rb") as stream:
        assert stream.read(10_001) == b"x" * 10_000 + b"\0"
        stream.seek(1 << 29)
        assert stream.read(10_001) == b"y" * 10_000 + b"\0"


def test_nothing_is_created_over_or_through_something(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for name in ("a", "link"):
        with pytest.raises(OSError, match="exists"), DISK.create(tmp_path / name):
            pass
    with pytest.raises(OSError, match="symbolic links"), DISK.edit(tmp_path / "link"):
        pass
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, ResourceError), (errno.EIO, ResourceError), (errno.EACCES, UsageError)]
)
def test_what_the_system_refuses_is_said(tmp_path, code, kind):
    with pytest.raises(kind), reported("can not write it"):
        Failing(1, code).write(tmp_path / "a", b"x")


def test_room_is_checked_where_the_folder_will_be(tmp_path):
    check_room(tmp_path / "not" / "there", 1)
    with pytest.raises(ResourceError, match="bytes are needed"):
        check_room(tmp_path / "not" / "there", 1 << 60)


@pytest.fixture
def sharing(monkeypatch):
    """A file system that shares blocks, as far as the call tells: FICLONE gives the target the content of the source."""
    calls = []

    def ioctl(target, request, source):
        assert request == FICLONE
        calls.append(target)
        os.truncate(target, 0)
        size = os.fstat(source).st_size
        assert os.pwrite(target, os.pread(source, size, 0), 0) == size
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return calls


def test_blocks_are_shared_where_the_file_system_can(base, patches, tmp_path, sharing, monkeypatch):
    def never(*_):
        raise AssertionError("copied although it could be shared")

    before = digests(base)
    monkeypatch.setattr(os, "copy_file_range", never)
    assert DISK.copy(base / "config.json", tmp_path / "one") is True
    apply(base, patches[:2], tmp_path / "out", disk=QUICK)
    assert len(sharing) > len(before)
    assert digests(base) == before
    revert(tmp_path / "out", out=tmp_path / "back", disk=QUICK)
    assert digests(tmp_path / "back") == before


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY])
def test_where_blocks_can_not_be_shared_they_are_copied(tmp_path, monkeypatch, code):
    def ioctl(*_):
        raise OSError(code, "no")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (tmp_path / "a").write_bytes(b"x" * 5000)
    assert DISK.copy(tmp_path / "a", tmp_path / "b") is False
    assert (tmp_path / "b").read_bytes() == b"x" * 5000


def test_a_disk_that_fails_while_sharing_is_not_taken_for_one_that_can_not(tmp_path, monkeypatch):
    def ioctl(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(OSError, match="broken"):
        DISK.copy(tmp_path / "a", tmp_path / "b")


def test_sharing_for_real(tmp_path):
    (tmp_path / "a").write_bytes(os.urandom(1 << 16))
    with (tmp_path / "a").open("rb") as stream, DISK.create(tmp_path / "b") as file:
        if not DISK.clone(stream.fileno(), file):
            pytest.skip("this file system shares no blocks")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="not this system")
def test_only_pages_that_are_overwritten_in_part_are_fetched(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda handle, begin, length, how: asked.append((begin, length)))
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    with DISK.edit(tmp_path / "a") as file:
        file.expect(100, 8192)
        file.expect(5000, 900_000)
    assert asked == [(100, 8192), (5000, 1), (904_999, 1)]
