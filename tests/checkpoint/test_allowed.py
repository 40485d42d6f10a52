"""What the system would refuse is known before anything is written; a dry run refuses what the command refuses."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from checkpoint_parts import (
    QUICK,
    Quick,
    as_user,
    digests,
    half_done,
    patch_of,
    snapshot,
    weights,
    write_checkpoint,
)
from suture.checkpoint import forecast
from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.stack.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.write import allowed
from suture.errors import PatchMismatch, UsageError
from suture.io.files import sha256


def closed_shard(base):
    sorted(base.glob("model-*.safetensors"))[1].chmod(0o444)


def closed_folder(base):
    base.chmod(0o555)


def closed_kept(base):
    (base / "suture").chmod(0o555)


VERBS = {
    "apply": lambda base, files, **how: apply(base, files[1:2], in_place=True, **how),
    "revert": lambda base, files, **how: revert(base, in_place=True, **how),
}


@pytest.mark.parametrize("close", [closed_shard, closed_folder, closed_kept])
@pytest.mark.parametrize("verb", VERBS)
def test_one_thing_that_can_not_be_written_leaves_a_checkpoint_as_it_is(place, made, verb, close):
    base, files = made
    close(base)
    before = snapshot(place)
    for how in ({"dry_run": True}, {}):
        assert as_user(place, lambda how=how: VERBS[verb](base, files, **how)) == UsageError.exit_code
        assert snapshot(place) == before
    assert not (base / INTENT).exists()


@pytest.mark.parametrize("verb", VERBS)
def test_nor_where_only_the_touched_rows_are_read(place, verb):
    base = write_checkpoint(place / "base", weights())
    files = [None, patch_of(weights(), 1).save(place / "p1.safetensors")]
    if verb == "revert":
        apply(base, files[1:], in_place=True, quick=True, disk=QUICK)
    closed_shard(base)
    before = snapshot(place)
    for how in ({"dry_run": True}, {}):
        done = as_user(place, lambda how=how: VERBS[verb](base, files, quick=True, **how))
        assert (done, snapshot(place)) == (UsageError.exit_code, before)


class Barred(Quick):
    """A disk on which one file can not be opened to be changed, as where it is immutable or mounted read-only."""

    def __init__(self, name, code, *, late=False):
        self.name, self.code, self.late = name, code, late

    def check(self, path):
        if path.name == self.name and not self.late:
            raise OSError(self.code, os.strerror(self.code), str(path))
        super().check(path)

    def step(self, what, path):
        if what == "open" and path.name == self.name:
            raise OSError(self.code, os.strerror(self.code), str(path))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("quick", [False, True])
def test_an_immutable_shard_is_named_before_the_intent(base, patches, quick, code):
    last = sorted(base.glob("model-*.safetensors"))[-1].name
    before = digests(base)
    for dry_run in (True, False):
        with pytest.raises(UsageError, match=last):
            apply(base, patches[2:3], in_place=True, quick=quick, dry_run=dry_run, disk=Barred(last, code))
        assert digests(base) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("quick", [False, True])
def test_a_shard_that_is_locked_meanwhile_is_rolled_back_around(base, patches, tmp_path, verb, quick):
    """It holds the old rows still, so that it need not be written to."""
    files = [None, patches[2]]
    if verb == "revert":
        apply(base, [patches[2]], in_place=True, disk=QUICK)
    before = digests(base)
    for shard in sorted(base.glob("model-*.safetensors")):
        with pytest.raises(UsageError, match="can not change") as caught:
            VERBS[verb](base, files, quick=quick, disk=Barred(shard.name, errno.EACCES, late=True))
        assert shard.name in caught.value.why
        assert digests(base) == before


def test_fsck_rolls_back_around_a_shard_that_can_not_be_written(base, patches):
    """Also what a killed run left; forward it can not go, and says which file bars the way."""
    before = digests(base)
    last = sorted(base.glob("model-*.safetensors"))[-1]
    untouched = last.read_bytes()
    half_done(base, lambda disk: apply(base, patches[2:3], in_place=True, disk=disk))
    assert last.read_bytes() == untouched
    with pytest.raises(UsageError, match="can not repair") as caught:
        fsck(base, disk=Barred(last.name, errno.EPERM))
    assert last.name in caught.value.why
    fsck(base, rollback=True, disk=Barred(last.name, errno.EPERM))
    assert digests(base) == before


def test_a_ledger_that_can_not_be_replaced_is_refused(base, patches, monkeypatch):
    apply(base, patches[:1], in_place=True, disk=QUICK)
    before, opened = digests(base), os.open

    def immutable(path, flags, *more):
        if Path(path).name == "suture.json" and flags & os.O_WRONLY:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        return opened(path, flags, *more)

    monkeypatch.setattr(allowed.os, "open", immutable)
    for dry_run in (True, False):
        for call in (lambda **how: apply(base, patches[1:2], **how), lambda **how: revert(base, **how)):
            with pytest.raises(UsageError, match="can not replace"):
                call(in_place=True, dry_run=dry_run)
    assert digests(base) == before


def test_a_ledger_that_is_only_read_only_is_replaced(place, made):
    base, files = made
    (base / "suture.json").chmod(0o444)
    assert as_user(place, lambda: apply(base, files[1:2], in_place=True, disk=QUICK)) == 0
    assert len(Ledger.load(base).patches) == 2


@pytest.mark.parametrize("kind", ["patch", "undo", "link"])
def test_a_dry_run_in_place_sees_a_file_of_another_with_the_very_name(base, patches, tmp_path, kind):
    shutil.copytree(base, tmp_path / "made")
    apply(tmp_path / "made", patches[:1], in_place=True, disk=QUICK)
    ledger = Ledger.load(tmp_path / "made")
    (base / "suture").mkdir()
    if kind == "link":
        (base / "suture").rmdir()
        (base / "suture").symlink_to(tmp_path / "made")
    else:
        name = ledger.undo_file if kind == "undo" else f"patch-{sha256(patches[0])[:16]}.safetensors"
        (base / "suture" / name).write_bytes(b"mine")
    before = snapshot(base)
    for dry_run in (True, False):
        with pytest.raises(UsageError, match=r"in the way|no folder of this checkpoint"):
            apply(base, patches[:1], in_place=True, dry_run=dry_run, disk=QUICK)
    assert digests(base / "suture") == (digests(tmp_path / "made") if kind == "link" else digests(base / "suture"))
    assert [name for name in snapshot(base) if name in before] == [*before]


def test_a_note_of_another_bars_a_change_in_place_and_not_a_new_folder(base, patches, tmp_path):
    (base / "suture.begun").write_bytes(b"mine")
    for dry_run in (True, False):
        with pytest.raises(UsageError, match="did not write it"):
            apply(base, patches[:1], in_place=True, dry_run=dry_run)
    with pytest.raises(UsageError, match="did not write it"):
        forecast.apply(base, patches[:1], in_place=True)
    apply(base, patches[:1], tmp_path / "out", dry_run=True)
    apply(base, patches[:1], tmp_path / "out", disk=QUICK)


def test_a_patch_that_is_on_is_refused_by_a_plan_as_well(base, patches):
    apply(base, patches[:1], in_place=True, disk=QUICK)
    for given in (patches[:1], [patches[1], patches[1]]):
        with pytest.raises(PatchMismatch, match="already on"):
            forecast.apply(base, given, in_place=True)
    assert forecast.apply(base, patches[1:2], in_place=True)
