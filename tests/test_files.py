import errno
import hashlib
import os

import pytest

from suture.checkpoint import disk
from suture.errors import ResourceError, UsageError
from suture.files import built, reported, sha256, write_bytes, written


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a" / "b ö.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]
    assert sha256(path) == hashlib.sha256(b"two").hexdigest()


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")

    def fail():
        with written(path) as partial:
            assert partial.suffix == ".bin"
            partial.write_bytes(b"half")
            raise KeyError("midway")

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_can_not_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="can not write"):
        write_bytes(tmp_path / "file" / "below", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="can not write"):
        write_bytes(tmp_path / "folder", b"x")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResourceError, match="no room"):
        write_bytes(tmp_path / "new", b"x")
    assert not (tmp_path / "new").exists()


EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@pytest.mark.parametrize("code", sorted({*EXHAUSTED, errno.EACCES, errno.EROFS}))
def test_every_writer_gives_a_cause_the_same_exit_code(tmp_path, monkeypatch, code):
    def fail(_):
        raise OSError(code, os.strerror(code))

    assert disk.reported is reported
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UsageError if code not in EXHAUSTED else ResourceError) as caught:
        write_bytes(tmp_path / "new", b"x")
    assert os.strerror(code) in caught.value.why
    if code in EXHAUSTED:
        assert "Choose a place" not in caught.value.fix
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_has_the_name_of_a_file_under_way_is_neither_followed_nor_removed(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("os.urandom", lambda size: b"\1" * size)
    names = [f".file.{'01' * 8}.partial.bin", f".folder.{'01' * 8}.partial"]
    (tmp_path / "mine").write_bytes(b"mine")
    for name in names:
        if kind == "link":
            (tmp_path / name).symlink_to(tmp_path / "mine")
        elif kind == "folder":
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError, match="can not write"):
        write_bytes(tmp_path / "file.bin", b"x")
    with pytest.raises(UsageError, match="can not write"), built(tmp_path / "folder"):
        pass
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    def fail():
        with built(tmp_path / "a" / "b") as partial:
            (partial / "file").write_bytes(b"half")
            raise KeyError("midway")

    with pytest.raises(KeyError):
        fail()
    assert not list((tmp_path / "a").iterdir())
    with built(tmp_path / "a" / "b") as partial:
        (partial / "file").write_bytes(b"whole")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"whole"
