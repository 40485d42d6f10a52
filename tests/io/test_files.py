import errno
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from suture.errors import ResourceError, UsageError
from suture.io.files import built, sha256, write_bytes, write_together, written


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


EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}


@pytest.mark.parametrize("code", sorted({*EXHAUSTED, errno.EACCES, errno.EROFS}))
def test_every_writer_gives_a_cause_the_same_exit_code(tmp_path, monkeypatch, code):
    def fail(_):
        raise OSError(code, os.strerror(code))

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


def fail_on_folders(monkeypatch, code=errno.EIO):
    """Let the system refuse to flush folders, which is the last thing done."""
    flush = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        flush(handle)

    monkeypatch.setattr("os.fsync", fsync)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_is_whole_is_not_said_to_have_failed(tmp_path, monkeypatch, code):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    fail_on_folders(monkeypatch, code)
    with pytest.raises(ResourceError) as caught:
        write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert caught.value.what == f"{path} is written whole, but the disk did not confirm its name"
    assert list(tmp_path.iterdir()) == [path]


def test_once_it_has_its_name_nothing_is_removed_any_more(tmp_path, monkeypatch):
    """A file system that has become read-only refuses even to remove what is not there."""

    def refuse(self, **_):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    write_bytes(tmp_path / "file", b"x")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_is_flushed_with_all_that_is_in_it_before_it_gets_its_name(tmp_path, monkeypatch):
    flushed, flush = [], os.fsync

    def fsync(handle):
        flushed.append((os.fstat(handle).st_ino, (tmp_path / "out").exists()))
        flush(handle)

    monkeypatch.setattr("os.fsync", fsync)
    with built(tmp_path / "out") as new:
        (new / "deep").mkdir()
        (new / "deep" / "file").write_bytes(b"x")
        (new / "link").symlink_to("nowhere")
    inner = [tmp_path / "out", tmp_path / "out" / "deep", tmp_path / "out" / "deep" / "file"]
    assert {(path.stat().st_ino, False) for path in inner} <= {*flushed}
    assert flushed[-1] == (tmp_path.stat().st_ino, True)


def test_into_a_folder_that_holds_something_all_come_at_the_end_and_the_rest_stays(tmp_path):
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "mine").write_bytes(b"mine")
    (tmp_path / "out" / "a").write_bytes(b"old")
    with pytest.raises(UsageError, match="is not empty"), built(tmp_path / "out"):
        pass
    with built(tmp_path / "out", over=True) as new:
        for name in ("a", "deep/b"):
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_bytes(b"new")
        assert (tmp_path / "out" / "a").read_bytes() == b"old"
    found = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {Path("out/a"): b"new", Path("out/deep/b"): b"new", Path("out/mine"): b"mine"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a", "deep", "mine"]


def test_texts_that_belong_together_are_there_together(tmp_path, monkeypatch):
    old, new = ({"json": json.dumps({"n": n}), "html": f"<title>suture: {n}</title>"} for n in (1, 2))
    write_together(tmp_path, "report", old)
    monkeypatch.setattr("suture.io.files._flush_all", lambda folder: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
    with pytest.raises(ResourceError):
        write_together(tmp_path, "report", new)
    assert {path.suffix[1:]: path.read_text() for path in tmp_path.iterdir()} == old


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "file")  # of nothing yet, and then of a file
    for content in (b"one", b"two"):
        write_bytes(link, content)
        assert link.is_symlink()
        assert (tmp_path / "there" / "file").read_bytes() == content
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]


def test_a_file_that_can_not_even_be_closed_is_not_left(tmp_path, monkeypatch):
    real = os.close

    def full(handle):
        real(handle)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("os.close", full)
    with pytest.raises(ResourceError):
        write_bytes(tmp_path / "new", b"x")
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())
