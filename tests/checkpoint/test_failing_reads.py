"""A read that fails is an error for users, whatever is read and by whom: never an OSError of Python."""

import errno
import io
import os

import pytest

from checkpoint_parts import QUICK, digests
from suture.checkpoint import forecast
from suture.checkpoint.difference import diff
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import ResourceError

DOORS = {
    "apply -o": lambda path, out, patch: apply(path, [patch], out, disk=QUICK),
    "apply --in-place": lambda path, out, patch: apply(path, [patch], in_place=True, disk=QUICK),
    "revert -o": lambda path, out, patch: revert(path, [], out, disk=QUICK),
    "revert --quick": lambda path, out, patch: revert(path, [], in_place=True, quick=True, disk=QUICK),
    "verify": lambda path, out, patch: verify(path, [patch]),
    "diff": lambda path, out, patch: diff(path, path),
    "fsck": lambda path, out, patch: fsck(path, disk=QUICK),
    "plan": lambda path, out, patch: forecast.revert(path, [], out),
}


@pytest.fixture
def patched(base, patches):
    apply(base, patches[:1], in_place=True, disk=QUICK)
    return base


@pytest.mark.parametrize("door", [door for door in DOORS if door != "plan"])
def test_a_disk_that_can_not_be_read(patched, patches, tmp_path, monkeypatch, door):
    before = digests(patched)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "preadv", fail)
        with pytest.raises(ResourceError, match="can not read") as caught:
            DOORS[door](patched, tmp_path / "out", patches[1])
    assert "safetensors" in caught.value.what
    assert "Check the disk" in caught.value.fix
    assert digests(patched) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("door", DOORS)
def test_files_that_have_run_out_at_any_of_them(patched, patches, tmp_path, monkeypatch, door):
    """The n-th file that is opened for reading is refused, for a few n from the first to the last."""
    before, opened, real = digests(patched), [], os.open
    plain = io.open

    def refusing(at, call):
        def open_it(path, *words, **more):
            opened.append(path)
            if len(opened) == at:
                raise OSError(errno.EMFILE, "Too many open files", str(path))
            return call(path, *words, **more)

        return open_it

    for at in (1, 2, 3, 5, 8):
        opened.clear()
        with monkeypatch.context() as failing:
            failing.setattr("io.open", refusing(at, plain))
            failing.setattr("os.open", refusing(at, real))
            with pytest.raises(ResourceError) as caught:
                DOORS[door](patched, tmp_path / f"out{at}", patches[1])
        assert "ulimit -n" in caught.value.fix
        assert digests(patched) == before


def test_a_repair_that_is_done_is_said_where_the_check_behind_it_fails(patched, patches, monkeypatch):
    (patched.with_name(f"{patched.name}.partial")).mkdir()

    def fail(*_, **__):
        raise ResourceError("can not read a shard", why="Input/output error")

    monkeypatch.setattr("suture.checkpoint.fsck.verify", fail)
    with pytest.raises(ResourceError, match="is repaired, but could not be checked") as caught:
        fsck(patched, disk=QUICK)
    assert "left by an interrupted run. Then: can not read a shard (Input/output error)" in caught.value.why
    with pytest.raises(ResourceError, match="can not read a shard"):
        fsck(patched, disk=QUICK)
