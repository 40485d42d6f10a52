"""What the system would refuse is known before anything is written; a dry run refuses what the command refuses."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from checkpoint_parts import (
    QUICK,
    Killing,
    Quick,
    digests,
    half_done,
    in_child,
    patch_of,
    snapshot,
    weights,
    write_checkpoint,
)
from suture.checkpoint import allowed, forecast
from suture.checkpoint.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.errors import ResourceError, UsageError
from suture.files import sha256

NOBODY = 65534


@pytest.fixture
def place():
    """A folder that any user can reach: permissions do not bind root, so what is asked of them is asked as another."""
    found = Path(tempfile.mkdtemp(prefix="suture-allowed-"))
    found.chmod(0o755)
    yield found
    for folder in (found, *(path for path in found.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    shutil.rmtree(found)


def as_user(place, work):
    """Run `work` as a user who owns everything in a folder, and whom permissions bind; returns what it returns."""

    def lowered():
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        work()

    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return in_child(lowered)


def made(place):
    """A checkpoint with a patch on it, and two patches that fit."""
    base = write_checkpoint(place / "base", weights())
    files = [patch_of(weights(), n).save(place / f"p{n}.safetensors") for n in range(3)]
    apply(base, files[:1], in_place=True, disk=QUICK)
    return base, files


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
def test_one_thing_that_can_not_be_written_leaves_a_checkpoint_as_it_is(place, verb, close):
    base, files = made(place)
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


def test_a_ledger_that_is_only_read_only_is_replaced(place):
    base, files = made(place)
    (base / "suture.json").chmod(0o444)
    assert as_user(place, lambda: apply(base, files[1:2], in_place=True, disk=QUICK)) == 0
    assert len(Ledger.load(base).patches) == 2


def foreign_stage(place, base):
    (place / "out.partial").mkdir()
    (place / "out.partial" / "notes").write_text("mine")


def file_stage(place, base):
    (place / "out.partial").write_text("mine")


def link_stage(place, base):
    (place / "out.partial").symlink_to(base)


def foreign_in_ours(place, base):
    files = [place / "p1.safetensors"]
    assert in_child(lambda: apply(base, files, place / "out", disk=Killing(30))) != 0
    (place / "out.partial" / "new" / "notes").write_text("mine")


def closed_stage(place, base):
    assert in_child(lambda: apply(base, [place / "p1.safetensors"], place / "out", disk=Killing(30))) != 0
    (place / "out.partial" / "new").chmod(0o555)


def closed_parent(place, base):
    place.chmod(0o555)


def closed_source(place, base):
    (base / "config.json").chmod(0)


def unread_template(place, base):
    (base / "more" / "template.txt").chmod(0)


BARS = [
    foreign_stage, file_stage, link_stage, foreign_in_ours, closed_stage, closed_parent, closed_source, unread_template,
]  # fmt: skip


@pytest.mark.parametrize("bar", BARS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_dry_run_of_a_new_folder_refuses_what_the_command_refuses(place, verb, bar):
    base, files = made(place)
    bar(place, base)
    before, out = snapshot(place), place / "out"
    calls = {
        "apply": [
            lambda: apply(base, files[1:2], out, dry_run=True),
            lambda: forecast.apply(base, files[1:2], out),
            lambda: apply(base, files[1:2], out),
        ],
        "revert": [
            lambda: revert(base, out=out, dry_run=True),
            lambda: forecast.revert(base, out=out),
            lambda: revert(base, out=out),
        ],
    }
    dry, planned = (as_user(place, call) for call in calls[verb][:2])
    assert snapshot(place) == before
    assert dry == planned == as_user(place, calls[verb][2]) != 0
    assert bar is closed_stage or snapshot(place) == before  # of what it left itself it may sweep a part


@pytest.mark.parametrize("out", ["p1.safetensors/out", "base/out", "base", ".", "p1.safetensors"])
def test_places_where_no_folder_can_be_made(place, out, monkeypatch):
    base, files = made(place)
    monkeypatch.chdir(place)
    before = snapshot(place)
    for call in (
        lambda: apply(base, files[1:2], Path(out), dry_run=True),
        lambda: apply(base, files[1:2], Path(out)),
        lambda: forecast.apply(base, files[1:2], Path(out)),
    ):
        with pytest.raises(UsageError):
            call()
    assert snapshot(place) == before


def test_the_folder_one_stands_in_can_be_checked(base, monkeypatch):
    monkeypatch.chdir(base)
    assert fsck(Path("."), disk=QUICK)[0] == []


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


@pytest.mark.parametrize("out", ["new folder", "in place"])
def test_a_disk_that_is_too_small_is_seen_by_a_dry_run(base, patches, tmp_path, monkeypatch, out):
    where = {"out": tmp_path / "out"} if out == "new folder" else {"in_place": True}
    monkeypatch.setattr("suture.checkpoint.allowed.SLACK", 1 << 60)
    monkeypatch.setattr("suture.checkpoint.output.SLACK", 1 << 60)
    for dry_run in (True, False):
        with pytest.raises(ResourceError, match="not enough disk"):
            apply(base, patches[:1], dry_run=dry_run, **where)
    assert not (tmp_path / "out.partial").exists()


def test_what_depends_on_the_file_system_is_told(base, patches, tmp_path, monkeypatch):
    monkeypatch.setattr("suture.checkpoint.folder.taken", lambda file: 1 << 60)
    outcome = apply(base, patches[:1], tmp_path / "out", dry_run=True)
    assert any("refused unless the file system shares" in note for note in outcome.notes)


def test_a_dry_run_says_what_would_be_swept_and_what_is_done_already(base, patches, tmp_path):
    out = tmp_path / "out"
    in_child(lambda: apply(base, patches[:1], out, disk=Killing(30)))
    before = snapshot(tmp_path)
    outcome = apply(base, patches[:1], out, dry_run=True)
    assert any(f"left {out}.partial; the command removes it" in note for note in outcome.notes)
    assert snapshot(tmp_path) == before

    class Last(Killing):
        def reached(self, number, what, path):
            if what == "remove" and path.name == "suture.begun" and out.exists():
                os.kill(os.getpid(), 9)

    in_child(lambda: apply(base, patches[:1], out, disk=Last(0)))
    before = snapshot(tmp_path)
    assert apply(base, patches[:1], out, dry_run=True).repeated
    with pytest.raises(UsageError, match="is there already"):
        apply(base, patches[1:2], out, dry_run=True)
    assert snapshot(tmp_path) == before
    assert apply(base, patches[:1], out, disk=QUICK).repeated
    assert not (tmp_path / "out.partial").exists()


def test_hard_links_to_another_disk_are_refused_before(base, patches, tmp_path, monkeypatch):
    real = os.fstat

    def elsewhere(handle):
        found = real(handle)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(allowed.os, "fstat", elsewhere)
    with pytest.raises(UsageError, match="Invalid cross-device link"):
        apply(base, patches[:1], tmp_path / "out", link=True, dry_run=True)
