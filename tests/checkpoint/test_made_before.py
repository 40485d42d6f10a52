"""A run that was killed between the name of its new folder and the last of its clearing away, and what comes after it."""

import json
import shutil
import signal

import pytest

from checkpoint_parts import QUICK, Counting, Killing, digests, in_child
from suture.checkpoint.format.folder import BEGUN
from suture.checkpoint.verbs import apply, revert
from suture.errors import UsageError


@pytest.fixture
def killed(base, patches, tmp_path):
    """Kill `call(disk)` so many operations before its last one, when OUT is there; returns OUT.partial."""

    def kill(call, back):
        counting = Counting()
        counting.reached = lambda *_: None
        call(counting)
        shutil.rmtree(tmp_path / "out")
        assert in_child(lambda: call(Killing(counting.count - back))) == -signal.SIGKILL
        assert (tmp_path / "out").is_dir()
        return tmp_path / "out.partial"

    return kill


def verb(name, base, patches, out):
    if name == "apply":
        return lambda disk: apply(base, patches[:2], out, disk=disk)
    apply(base, patches[:3], in_place=True, disk=QUICK)
    return lambda disk: revert(base, ["2"] if name == "revert one" else [], out, disk=disk)


@pytest.mark.parametrize("name", ["apply", "revert one", "revert all"])
def test_the_same_command_says_that_it_is_done_and_sweeps(base, patches, tmp_path, killed, name):
    call = verb(name, base, patches, tmp_path / "out")
    left = killed(call, 1)
    assert [path.name for path in left.iterdir()] == [BEGUN]
    before = digests(base), digests(tmp_path / "out")
    found = call(QUICK)
    assert (found.repeated, found.path, found.room, found.tensors) == (True, tmp_path / "out", 0, [])
    assert len(found.patches) == {"apply": 2, "revert one": 2, "revert all": 0}[name]
    assert not left.exists()
    assert (digests(base), digests(tmp_path / "out")) == before
    with pytest.raises(UsageError, match="is there already"):
        call(QUICK)


def other_patch(base, patches, out, left):
    apply(base, patches[1:2], out, disk=QUICK)


def other_scale(base, patches, out, left):
    apply(base, patches[:2], out, scale=0.5, disk=QUICK)


def another_base(base, patches, out, left):
    shutil.copytree(base, base.with_name("again"))
    apply(base.with_name("again"), patches[:2], out, disk=QUICK)


def changed_since(base, patches, out, left):
    apply(out, patches[3:4], in_place=True, disk=QUICK)
    apply(base, patches[:2], out, disk=QUICK)


def older_note(base, patches, out, left):
    note = json.loads((left / BEGUN).read_text())
    del note["asked"]
    (left / BEGUN).write_text(json.dumps(note) + "\n")
    apply(base, patches[:2], out, disk=QUICK)


@pytest.mark.parametrize("call", [other_patch, other_scale, another_base, changed_since, older_note])
def test_another_command_sweeps_and_refuses(base, patches, tmp_path, killed, call):
    left = killed(verb("apply", base, patches, tmp_path / "out"), 1)
    with pytest.raises(UsageError, match="is there already") as caught:
        call(base, patches, tmp_path / "out", left)
    assert f"suture verify {tmp_path / 'out'}" in caught.value.fix
    assert not left.exists()
    assert (tmp_path / "out" / "suture.json").exists()


def test_an_empty_folder_is_swept_and_nothing_is_known(base, patches, tmp_path, killed):
    call = verb("apply", base, patches, tmp_path / "out")
    left = killed(call, 0)
    assert not list(left.iterdir())
    with pytest.raises(UsageError, match="is there already"):
        call(QUICK)
    assert not left.exists()


def test_a_dry_run_sweeps_nothing_and_a_users_folder_stays(base, patches, tmp_path, killed):
    call = verb("apply", base, patches, tmp_path / "out")
    left = killed(call, 1)
    assert apply(base, patches[:2], tmp_path / "out", dry_run=True).repeated  # as the command itself would say
    assert (left / BEGUN).exists()
    (left / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        call(QUICK)
    assert sorted(path.name for path in left.iterdir()) == ["mine", BEGUN]
