"""A dry run and `suture plan` refuse a new folder where the command refuses it, and change nothing."""

import os
from pathlib import Path

import pytest

from checkpoint_parts import QUICK, Killing, as_user, in_child, snapshot
from suture.checkpoint import forecast
from suture.checkpoint.fsck import fsck
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.write import allowed
from suture.errors import ResourceError, UsageError

VERBS = ("apply", "revert")


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
def test_a_dry_run_of_a_new_folder_refuses_what_the_command_refuses(place, made, verb, bar):
    base, files = made
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
def test_places_where_no_folder_can_be_made(place, made, out, monkeypatch):
    base, files = made
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


@pytest.mark.parametrize("out", ["new folder", "in place"])
def test_a_disk_that_is_too_small_is_seen_by_a_dry_run(base, patches, tmp_path, monkeypatch, out):
    where = {"out": tmp_path / "out"} if out == "new folder" else {"in_place": True}
    monkeypatch.setattr("suture.checkpoint.write.allowed.SLACK", 1 << 60)
    monkeypatch.setattr("suture.checkpoint.write.output.SLACK", 1 << 60)
    for dry_run in (True, False):
        with pytest.raises(ResourceError, match="not enough disk"):
            apply(base, patches[:1], dry_run=dry_run, **where)
    assert not (tmp_path / "out.partial").exists()


def test_what_depends_on_the_file_system_is_told(base, patches, tmp_path, monkeypatch):
    monkeypatch.setattr("suture.checkpoint.format.folder.disk_bytes", lambda file: 1 << 60)
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
