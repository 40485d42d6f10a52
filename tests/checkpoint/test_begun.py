"""What a user put where suture writes stays: only what suture can prove to have written goes, and no link is followed."""

import errno
import json
import os
import shutil
import signal
from functools import partial

import pytest

from checkpoint_parts import QUICK, Counting, Failing, Killing, digests, in_child, snapshot
from suture.checkpoint.change.begun import BEGUN, HEAD, afterwards, begin, read_begun, stage_leftovers
from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.fsck import fsck
from suture.checkpoint.stack.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.errors import ResourceError, SutureError, UsageError
from suture.io.files import sha256

MINE = {"notes.txt": b"mine", "undo.partial": b"", "patch-0123456789abcdef.safetensors": b"mine", "deep/file": b"mine"}


def fill(folder):
    for name, content in MINE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def check(folder):
    assert {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()} == MINE


class Between(Counting):
    """A disk on which the process is killed as soon as a checkpoint is between two states."""

    def __init__(self, folder):
        super().__init__()
        self.place = folder

    def reached(self, number, what, path):
        if what == "write" and (self.place / INTENT).exists():
            os.kill(os.getpid(), signal.SIGKILL)


def half_done(folder, call):
    """Kill a change in place in the middle."""
    assert in_child(lambda: call(folder, in_place=True, disk=Between(folder))) == -signal.SIGKILL
    assert (folder / INTENT).exists()


def putting(*patches):
    return lambda folder, **how: apply(folder, patches, **how)


@pytest.mark.parametrize("verb", ["dry run", "apply and revert", "fsck"])
def test_files_of_a_user_in_suture_stay(base, patches, verb):
    fill(base / "suture")
    if verb == "fsck":
        fsck(base, disk=QUICK)
    else:
        apply(base, patches[:1], in_place=True, dry_run=verb == "dry run", disk=QUICK)
    if verb == "apply and revert":
        assert len(list((base / "suture").rglob("*"))) == len(MINE) + 3  # a folder, a patch and base bits
        revert(base, in_place=True, disk=QUICK)
    check(base / "suture")


@pytest.mark.parametrize("verb", ["apply", "revert", "fsck"])
def test_a_link_in_the_place_of_suture_is_not_followed(base, patches, tmp_path, verb):
    if verb == "revert":
        apply(base, patches[:1], in_place=True, disk=QUICK)
        (base / "suture").rename(tmp_path / "elsewhere")
    fill(tmp_path / "elsewhere")
    (base / "suture").symlink_to(tmp_path / "elsewhere")
    before = digests(tmp_path)
    if verb == "fsck":
        fsck(base, disk=QUICK)
    else:
        with pytest.raises(UsageError, match="no folder of this checkpoint"):
            apply(base, patches[:1], in_place=True) if verb == "apply" else revert(base, in_place=True)
    assert digests(tmp_path) == before
    assert (base / "suture").is_symlink()


@pytest.mark.parametrize("left", ["half done", "complete", "before"])
def test_a_dry_run_changes_nothing_of_what_a_killed_run_left(base, patches, tmp_path, left):
    if left == "half done":
        half_done(base, putting(patches[0]))
    else:
        steps = 3 if left == "before" else last_step(base, patches, tmp_path)
        in_child(lambda: apply(base, patches[:1], in_place=True, disk=Killing(steps)))
        assert (base / BEGUN).exists()
    before = snapshot(base)
    for where in ({"in_place": True}, {"out": tmp_path / "out"}):
        if left == "half done":
            with pytest.raises(UsageError, match="between two states"):
                apply(base, patches[1:2], dry_run=True, **where)
        else:
            outcome = apply(base, patches[1:2], dry_run=True, **where)
            assert "an interrupted run left files" in outcome.notes[0]
    assert snapshot(base) == before


def last_step(base, patches, tmp_path):
    disk = Failing(0)  # nothing fails: it counts
    apply(shutil.copytree(base, tmp_path / "counted"), patches[:1], in_place=True, disk=disk)
    return disk.count


@pytest.mark.parametrize("kind", ["folder", "link", "file", "old"])
def test_what_is_called_like_a_folder_under_construction_is_refused(base, patches, tmp_path, kind):
    """Also the folder that version 0.1.0 left when it was killed: nothing in it says whose it is."""
    stage = tmp_path / "out.partial"
    if kind == "old":
        shutil.copytree(base, stage)
    elif kind == "file":
        stage.write_bytes(b"mine")
    else:
        fill(stage if kind == "folder" else tmp_path / "elsewhere")
    if kind == "link":
        stage.symlink_to(tmp_path / "elsewhere")
    before = digests(tmp_path)
    with pytest.raises(UsageError, match=r"in the way|can not write"):
        apply(base, patches[:1], tmp_path / "out", disk=QUICK)
    with pytest.raises(UsageError, match=r"in the way|no checkpoint"):
        fsck(tmp_path / "out", disk=QUICK)
    assert digests(tmp_path) == before
    assert stage.is_symlink() == (kind == "link")


def test_an_empty_folder_is_taken_over(base, patches, tmp_path):
    (tmp_path / "out.partial").mkdir()
    apply(base, patches[:1], tmp_path / "out", disk=QUICK)
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize("name", ["new/notes.txt", "new/suture/notes.txt", "notes.txt", "new/deep"])
def test_what_a_user_put_into_a_folder_under_construction_stays(base, patches, tmp_path, name):
    in_child(lambda: apply(base, patches[:1], tmp_path / "out", disk=Killing(30)))
    mine = tmp_path / "out.partial" / name
    mine.parent.mkdir(exist_ok=True)
    mine.symlink_to(base) if name == "new/deep" else mine.write_bytes(b"mine")
    before = digests(tmp_path)
    with pytest.raises(UsageError, match=f"{name} is in the way, and suture did not write it") as caught:
        apply(base, patches[:1], tmp_path / "out", disk=QUICK)
    assert f"suture began {tmp_path / 'out.partial'}" in caught.value.why
    assert f"Move {name} out of there" in caught.value.fix
    assert digests(tmp_path) == before
    mine.unlink()
    apply(base, patches[:1], tmp_path / "out", disk=QUICK)


def test_fsck_leaves_a_folder_of_the_user_beside_a_checkpoint_alone(base, caplog):
    fill(base.with_name("base.partial"))
    assert fsck(base, disk=QUICK)[0] == []
    check(base.with_name("base.partial"))
    assert "left alone" in caplog.text


def test_a_file_of_another_with_the_very_name_is_refused_before_the_weights_change(base, patches):
    (base / "suture").mkdir()
    mine = base / "suture" / f"patch-{sha256(patches[0])[:16]}.safetensors"
    mine.write_bytes(b"mine")
    before = digests(base)
    with pytest.raises(UsageError, match="in the way"):
        apply(base, patches[:1], in_place=True, disk=QUICK)
    assert digests(base) == before


def test_a_lost_ledger_does_not_cost_the_base_bits(base, patches):
    apply(base, patches[:1], in_place=True, disk=QUICK)
    (base / "suture.json").unlink()
    kept = digests(base / "suture")
    fsck(base, disk=QUICK)
    assert digests(base / "suture") == kept


@pytest.mark.parametrize("content", [b"", HEAD[:9], HEAD, HEAD + b', "token": "01', b"\0" * 40])
def test_the_beginning_of_a_note_is_ours(base, patches, content):
    before = digests(base)
    (base / BEGUN).write_bytes(content)
    fill(base / "suture")
    fsck(base, disk=QUICK)
    check(base / "suture")
    shutil.rmtree(base / "suture")
    assert digests(base) == before


@pytest.mark.parametrize("content", [b"mine", b"{}", HEAD + b"}\n", HEAD + b', "token": "../../../../../x"}\n', "link"])
def test_a_note_of_another_is_refused(base, patches, tmp_path, content):
    if content == "link":
        (tmp_path / "mine").write_bytes(b"")
        (base / BEGUN).symlink_to(tmp_path / "mine")
    else:
        (base / BEGUN).write_bytes(content)
    before = snapshot(base)
    for call in (lambda: apply(base, patches[:1], in_place=True), lambda: fsck(base)):
        with pytest.raises(UsageError, match="in the way"):
            call()
    assert snapshot(base) == before


def test_an_intent_of_version_0_1_0_is_finished(base, patches, tmp_path):
    """It wrote no note beside it: what the two ledgers name is known to be ours, and nothing else."""
    apply(base, patches[:1], tmp_path / "done", disk=QUICK)
    half_done(base, putting(patches[0]))
    content = json.loads((base / INTENT).read_text())
    assert set(content) == {"old", "new"}
    (base / BEGUN).unlink()
    (base / "suture" / "undo.partial").write_bytes(b"left")
    repaired, findings = fsck(base, disk=QUICK)
    assert repaired[0] == "finished an interrupted run"
    assert not [finding for finding in findings if finding.problem]
    (base / "suture" / "undo.partial").unlink()
    assert digests(base) == digests(tmp_path / "done")


REFUSED = {
    "no such patch": lambda base, patches, out: revert(base, ["7"], in_place=True, disk=QUICK),
    "already on it": lambda base, patches, out: apply(base, patches[:1], out, disk=QUICK),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_a_command_that_is_refused_says_that_it_finished_another_first(base, patches, tmp_path, refused):
    """The folder has changed by then, whatever becomes of the command."""
    half_done(base, putting(patches[0]))
    with pytest.raises(SutureError) as caught:
        REFUSED[refused](base, patches, tmp_path / "out")
    assert not (base / INTENT).exists()
    assert "Before that: finished an interrupted run" in caught.value.why
    assert caught.value.why in str(caught.value)


def test_a_note_says_what_it_was_told(tmp_path, base, patches):
    apply(base, patches[:1], in_place=True, disk=QUICK)
    entries = Ledger.load(base).patches
    begun = begin(tmp_path, QUICK, files=["new/ä b"], there=["x"], new=entries)
    assert read_begun(tmp_path) == begun
    assert begun.new == tuple(entries)
    assert stage_leftovers(base / "suture" / "none") == []


def test_the_keys_of_a_note_stay_as_they_are(tmp_path):
    begin(tmp_path, QUICK, files=["x"], request="digest")
    note = json.loads((tmp_path / BEGUN).read_text())
    assert list(note) == ["format", "token", "files", "there", "old", "new", "asked"]
    assert note["asked"] == read_begun(tmp_path).request == "digest"


def test_what_fails_when_all_is_done_is_told(tmp_path):
    def fail():
        raise OSError(errno.EIO, "broken", str(tmp_path / "x"))

    (note,) = afterwards(fail, tmp_path)
    assert (
        note == f"it is done; but what it left could not be cleared away ({tmp_path}/x: broken): suture fsck {tmp_path}"
    )
    assert afterwards(lambda: None, tmp_path) == []


def test_a_number_that_means_another_patch_now_is_refused(base, patches, tmp_path):
    apply(base, patches[:3], in_place=True, disk=QUICK)
    half_done(base, lambda path, **how: revert(path, ["1"], **how))
    with pytest.raises(UsageError, match="number 2 no longer means") as caught:
        revert(base, ["2"], tmp_path / "out", disk=QUICK)
    assert sha256(patches[2])[:8] in caught.value.why
    assert [entry.name for entry in Ledger.load(base).patches] == ["p1.safetensors", "p2.safetensors"]
    revert(base, ["2"], in_place=True, disk=QUICK)  # it has been told, and says it again
    assert [entry.name for entry in Ledger.load(base).patches] == ["p1.safetensors"]


def test_another_command_than_the_interrupted_one_is_carried_out(base, patches):
    half_done(base, putting(patches[0]))
    outcome = apply(base, patches[1:2], in_place=True, disk=QUICK)
    assert not outcome.repeated
    assert len(outcome.patches) == 2
    assert any("p0.safetensors" in note and "put on" in note for note in outcome.notes)


def test_a_disk_that_fails_in_the_end_makes_the_change_no_failure(base, patches):
    class Stuck(Failing):
        def reached(self, number, what, path):
            if what == "remove" and path.name == INTENT:
                raise OSError(errno.EIO, "stuck", str(path))

    outcome = apply(base, patches[:1], in_place=True, disk=Stuck(0))
    assert any(note.startswith("it is done; but suture.intent") for note in outcome.notes)
    assert apply(base, patches[:1], in_place=True, disk=QUICK).repeated
    with pytest.raises(ResourceError):
        apply(base, patches[1:2], in_place=True, disk=Failing(9))
    assert [name for name, *_ in revert(base, in_place=True, disk=QUICK).patches] == []


def test_a_command_that_fsck_finished_is_not_to_be_given_again(base, patches):
    apply(base, patches[:2], in_place=True, disk=QUICK)
    half_done(base, partial(revert, patches=["1"]))
    repaired, _ = fsck(base, disk=QUICK)
    assert any("taken off" in line for line in repaired)
    assert repaired[-1] == "the interrupted command is done: do not give it again"
    half_done(base, revert)
    assert not any("give it again" in line for line in fsck(base, rollback=True, disk=QUICK)[0])


class Noting(Counting):
    """A disk that keeps what it was asked to do."""

    def __init__(self):
        super().__init__()
        self.done = []

    def reached(self, number, what, path):
        self.done.append((what, path.name))


@pytest.mark.parametrize("rollback", [False, True])
def test_what_was_removed_does_not_come_back_when_its_note_is_gone(base, patches, rollback):
    """A loss of power may undo what no flush has covered, in any order."""
    half_done(base, partial(apply, patches=patches[:1]))
    disk = Noting()
    fsck(base, rollback=rollback, disk=disk)
    gone = disk.done.index(("remove", BEGUN))
    last = max(i for i, (what, _) in enumerate(disk.done[:gone]) if what == "remove")
    assert "flush" in [what for what, _ in disk.done[last:gone]]


def test_the_note_of_a_new_folder_goes_after_all_else_is_gone(base, patches, tmp_path):
    assert in_child(lambda: apply(base, patches[:1], tmp_path / "out", disk=Killing(12))) == -signal.SIGKILL
    assert (tmp_path / "out.partial" / BEGUN).exists()
    disk = Noting()
    fsck(tmp_path / "out", disk=disk)
    gone = disk.done.index(("remove", BEGUN))
    assert disk.done[gone - 1] == ("flush", "out.partial")
