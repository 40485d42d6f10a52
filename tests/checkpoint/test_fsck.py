"""fsck --dry-run says what fsck would do, refuses what it would refuse, and changes nothing."""

import errno
import os

import pytest

from checkpoint_parts import QUICK, Killing, Quick, digests, half_done, in_child, snapshot
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply
from suture.errors import UsageError


def cut(base, patches):
    """Kill a change in place when its intent is there."""
    half_done(base, lambda disk: apply(base, patches[2:3], in_place=True, disk=disk))


@pytest.mark.parametrize(("rollback", "verb"), [(False, "finish"), (True, "roll back")])
def test_a_change_between_two_states_is_told_and_left(base, patches, rollback, verb):
    cut(base, patches)
    before = snapshot(base)
    would, findings = fsck(base, rollback=rollback, dry_run=True)
    assert len(would) == 1
    assert would[0].startswith(f"would {verb} an interrupted run: from no patch to p2.safetensors")
    assert any(finding.problem for finding in findings)
    assert snapshot(base) == before
    fsck(base, rollback=rollback, disk=QUICK)
    assert fsck(base, dry_run=True)[0] == []


def test_what_was_left_is_told_and_left(base, patches, tmp_path):
    in_child(lambda: apply(base, patches[:1], in_place=True, disk=Killing(3)))
    in_child(lambda: apply(base, patches[:1], tmp_path / "out", disk=Killing(30)))
    before = snapshot(tmp_path)
    assert fsck(base, dry_run=True)[0] == ["would remove what an interrupted run left"]
    assert fsck(tmp_path / "out", dry_run=True) == (
        [f"would remove {tmp_path / 'out.partial'}, left by an interrupted run"], [],
    )  # fmt: skip
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("bar", ["note", "stage", "link", "shard"])
def test_what_bars_a_repair_bars_its_dry_run(base, patches, tmp_path, bar):
    place, disk = base, QUICK
    if bar == "note":
        (base / "suture.begun").write_bytes(b"mine")
    elif bar == "stage":
        place = tmp_path / "out"
        (tmp_path / "out.partial").mkdir()
        (tmp_path / "out.partial" / "notes").write_bytes(b"mine")
    elif bar == "link":
        cut(base, patches)
        (base / "suture").rename(tmp_path / "elsewhere")
        (base / "suture").symlink_to(tmp_path / "elsewhere")
    else:
        cut(base, patches)
        disk = Barred()
    before = digests(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(UsageError):
            fsck(place, dry_run=dry_run, disk=disk)
        assert digests(tmp_path) == before or not dry_run
    if bar == "shard":
        assert fsck(base, rollback=True, dry_run=True, disk=disk)[0]


class Barred(Quick):
    """A disk on which no shard can be opened to be changed."""

    def check(self, path):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    def step(self, what, path):
        if what == "open" and path.name.startswith("model-"):
            self.check(path)
