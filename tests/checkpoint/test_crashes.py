"""Every operation on the disk fails once, fails for good, or is the last: the old state or the new one, never a mixture."""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from checkpoint_parts import QUICK, Failing, Killing, digests, half_done, in_child, killed_anywhere
from suture.checkpoint.format.folder import INTENT, Checkpoint
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import ResourceError, SutureError
from suture.io.files import sha256
from suture.patch.patch import Patch

MANY = 500  # more operations than any run here makes


ENDS = [
    *(("whole", how, rollback) for how in ("dead disk", "killed") for rollback in (False, True)),
    ("quick", "dead disk", True),
    ("quick", "killed", False),
]
WAYS = pytest.mark.parametrize("states", ["whole", "quick"], indirect=True)


@pytest.fixture
def states(request, base, patches, tmp_path):
    """A checkpoint with one patch, and what apply and revert make of it: (folder, old, {verb: (call, new)})."""
    if getattr(request, "param", "whole") == "quick":
        return quick_states(base, patches, tmp_path)
    apply(base, patches[:1], tmp_path / "start", disk=QUICK)
    apply(tmp_path / "start", patches[1:3], tmp_path / "more", disk=QUICK)
    calls = {
        "apply": (lambda path, **to: apply(path, patches[1:3], **to), digests(tmp_path / "more")),
        "revert": (lambda path, **to: revert(path, **to), digests(base)),
    }
    return tmp_path / "start", digests(tmp_path / "start"), calls


def quick_states(base, patches, tmp_path):
    """The same where only touched rows are read: the patch that comes touches other tensors than the one that is there."""
    how = {"in_place": True, "quick": True, "disk": QUICK}
    for name, own in {"start": [patches[3]], "more": [patches[3], patches[2]]}.items():
        shutil.copytree(base, tmp_path / name)
        for patch in own:
            apply(tmp_path / name, [patch], **how)
    calls = {
        "apply": (lambda path, **to: apply(path, [patches[2]], **{**how, **to}), digests(tmp_path / "more")),
        "revert": (lambda path, **to: revert(path, **{**how, **to}), digests(base)),
    }
    return tmp_path / "start", digests(tmp_path / "start"), calls


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("verb", ["apply", "revert"])
def test_new_folder_every_failure(states, tmp_path, verb, code):
    start, old, calls = states
    call, new = calls[verb]
    out = tmp_path / "out"
    for at in range(1, MANY):
        disk = Failing(at, code)
        try:
            notes = call(start, out=out, disk=disk).notes
        except ResourceError:
            assert not out.exists() or digests(out) == new  # the last flush may fail after the rename; it says so
        else:
            if disk.count < at:  # nothing failed: it went to the end
                break
            assert any(note.startswith("it is done; but") for note in notes)
            assert digests(out) == new
            fsck(out, disk=QUICK)
        shutil.rmtree(out, ignore_errors=True)
        assert digests(start) == old
    assert at > 20
    assert digests(out) == new
    assert not (tmp_path / "out.partial").exists()


@WAYS
@pytest.mark.parametrize("verb", ["apply", "revert"])
def test_in_place_every_failure(states, tmp_path, verb):
    start, old, calls = states
    call, new = calls[verb]
    seen = set()
    for at in range(1, MANY):
        path = tmp_path / f"in{at}"
        shutil.copytree(start, path)
        disk = Failing(at)
        try:
            notes = call(path, in_place=True, disk=disk).notes
        except ResourceError:
            assert digests(path) == old
            seen.add("rolled back")
        else:
            if disk.count < at:
                break
            assert any(note.startswith("it is done; but") and str(path) in note for note in notes)
            seen.add("done")
            fsck(path, disk=QUICK)
            assert digests(path) == new
        shutil.rmtree(path)
    assert digests(path) == new
    assert seen == {"rolled back", "done"}


@pytest.mark.parametrize("verb", ["apply", "revert"])
@pytest.mark.parametrize(("states", "how", "rollback"), ENDS, indirect=["states"])
def test_in_place_every_end_can_be_repaired(states, tmp_path, verb, rollback, how):
    start, old, calls = states
    call, new = calls[verb]
    between, seen = 0, []
    ends = {"killed": killed, "dead disk": given_up}[how]
    for path, done in ends(start, lambda path, disk: call(path, in_place=True, disk=disk), tmp_path):
        begun = (path / INTENT).exists()
        between += begun
        _, findings = fsck(path, rollback=rollback, disk=QUICK)
        found = digests(path)
        assert found == (old if rollback else new) if begun else found in (old, new)
        assert findings
        assert not [finding for finding in findings if finding.problem]
        seen.append(done)
    assert seen[-1]
    assert found == new
    assert between > 3


def killed(start, work, tmp_path):
    """Yield (copy of `start`, or an empty folder, as a killed run leaves it; whether that came to its end)."""
    (tmp_path / "killed").mkdir()
    make = Path.mkdir if start is None else lambda path: shutil.copytree(start, path)
    return killed_anywhere(make, work, tmp_path / "killed")


def given_up(start, work, tmp_path):
    """The same of runs on a disk that fails from some operation on."""
    for at in range(1, MANY):
        path = shutil.copytree(start, tmp_path / f"in{at}")
        disk, done = Failing(at, forever=True), False
        with suppress(SutureError):
            work(path, disk)
            done = disk.count < at  # what fails when the change is complete is told
        yield path, done
        shutil.rmtree(path)
        if done:
            return


@pytest.mark.parametrize("verb", ["apply", "revert"])
def test_the_next_command_finishes_what_a_killed_one_began(states, patches, tmp_path, verb):
    start, _, calls = states
    call, new = calls[verb]
    half_done(start, lambda disk: call(start, in_place=True, disk=disk))
    outcome = apply(start, [patches[3]], tmp_path / "next", disk=QUICK)
    assert "finished an interrupted run" in outcome.notes
    assert digests(start) == new


def test_new_folder_killed_anywhere_is_absent_or_whole_and_swept(states, tmp_path):
    start, old, calls = states
    call, new = calls["apply"]
    for place, done in killed(None, lambda place, disk: call(start, out=place / "out", disk=disk), tmp_path):
        assert digests(start) == old
        assert digests(place / "out") == (new if done or (place / "out").exists() else {})
    assert done
    out = tmp_path / "out"
    in_child(lambda: call(start, out=out, disk=Killing(20)))
    assert (tmp_path / "out.partial").exists()
    call(start, out=out, disk=QUICK)
    assert digests(out) == new
    assert not (tmp_path / "out.partial").exists()


def test_fsck_removes_what_was_left_of_a_folder_never_finished(states, tmp_path):
    start, _, calls = states
    out = tmp_path / "out"
    in_child(lambda: calls["apply"][0](start, out=out, disk=Killing(20)))
    repaired, _ = fsck(out, disk=QUICK)
    assert len(repaired) == 1
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("rollback", [False, True])
def test_a_quick_change_of_another_base_is_repaired_as_far_as_it_is_known(base, patches, rollback):
    """What nobody has looked at can not stand in the way of a repair; it is told of all the same."""
    slot = Checkpoint.open(base).slots["a.weight"]
    content = bytearray(slot.file.read_bytes())
    content[slot.begin + next(n for n in range(24) if n not in rows_of(patches[0])) * 16] ^= 1
    slot.file.write_bytes(content)
    old = digests(base)
    half_done(base, lambda disk: apply(base, patches[:1], in_place=True, quick=True, disk=disk))
    repaired, findings = fsck(base, rollback=rollback, disk=QUICK)
    assert repaired
    assert {f.what for f in findings if f.problem} == (set() if rollback else {"a.weight"})
    if not rollback:
        revert(base, in_place=True, quick=True, disk=QUICK)
    assert digests(base) == old


def rows_of(file):
    return Patch.load(file).terms["a.weight"][0].rows.tolist()


STRAYS = {  # names that suture uses, or used, and one that it never did; none is its work
    "suture/notes.txt": b"mine",
    "suture/undo.partial": b"mine",
    "suture/patch.partial": b"",
    "suture/patch-0123456789abcdef.safetensors": b"mine",
    "suture/undo.0123456789abcdef.partial": b"mine",
    "suture.json.partial": b"{",
    "suture.intent.partial": b"mine",
    "beside.partial": b"mine",
}


def with_strays(folder):
    (folder / "suture").mkdir(exist_ok=True)
    for name, content in STRAYS.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("how", ["apply", "revert by number", "revert by hash", "revert all"])
def test_a_command_given_again_after_a_kill_ends_where_the_first_would_have(base, patches, tmp_path, how):
    """By number as well: numbers shift when a patch is taken off."""
    start = tmp_path / "start"
    apply(base, patches[:3], start, disk=QUICK)
    words = {"revert by number": ["2"], "revert by hash": [sha256(patches[1])[:8]], "revert all": []}.get(how)
    with_strays(start)

    def call(path, disk=QUICK):
        if words is None:
            return apply(path, [patches[3]], in_place=True, disk=disk)
        return revert(path, words, in_place=True, disk=disk)

    shutil.copytree(start, tmp_path / "new")
    call(tmp_path / "new")
    new, seen = digests(tmp_path / "new"), set()
    for path, done in killed(start, call, tmp_path):
        if not done:
            seen.add(call(path).repeated)
        assert digests(path) == new
    assert seen == {False, True}
    assert all((tmp_path / "new" / name).read_bytes() == content for name, content in STRAYS.items())


def test_a_new_folder_given_again_after_a_kill_leaves_what_others_put_beside_it(base, patches, tmp_path):
    seen = []
    for place, done in killed(None, lambda place, disk: apply(base, patches[:1], place / "out", disk=disk), tmp_path):
        out = place / "out"
        if not out.exists():
            apply(base, patches[:1], out, disk=QUICK)
        assert not [finding for finding in verify(out, base=base) if finding.problem]
        fsck(out, disk=QUICK)
        assert not (place / "out.partial").exists()
        seen.append(done)
    assert len(seen) > 20
    assert seen[-1]
