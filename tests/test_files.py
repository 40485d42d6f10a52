import errno
import hashlib

import pytest

from suture.errors import ResourceError, UsageError
from suture.files import sha256, write_bytes, written


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
