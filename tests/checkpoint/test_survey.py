"""Touched rows are computed once and remembered until they are written, as far as they fit; what is written is read back."""

import pytest
import torch

from checkpoint_parts import QUICK, Quick, digests, patch_of, weights, write_checkpoint
from suture.checkpoint.change import rows as rows_of
from suture.checkpoint.change import survey
from suture.checkpoint.change.plan import Plan
from suture.checkpoint.change.rows import Rows
from suture.checkpoint.change.survey import affordable
from suture.checkpoint.change.surveys import foresee, worth_remembering
from suture.checkpoint.format.folder import Checkpoint
from suture.checkpoint.stack.stack import Stack, read_layer
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.write.disk import File
from suture.errors import VerificationFailed
from suture.io.tensorfile import view

WAYS = {"quick": {"in_place": True, "quick": True}, "in place": {"in_place": True}, "new folder": {}}


@pytest.fixture
def patch(tmp_path):
    return patch_of(weights()).save(tmp_path / "p")


def forgetful(monkeypatch):
    monkeypatch.setattr(survey, "REMEMBERED", 0)


def test_as_much_is_remembered_as_fits(monkeypatch):
    monkeypatch.setattr(survey, "SMALL", 100)
    assert affordable([10, 60, 20], 10) == [True, False, True]
    assert affordable([10, 60, 20], 40) == [True, True, True]
    assert affordable([10, 60, 20], 10, spent=70) == [True, False, False]
    monkeypatch.setattr(survey, "REMEMBERED", 50)
    assert affordable([10, 60, 20], 1000) == [True, False, False]
    assert affordable([], 0) == []


def test_rows_of_earlier_surveys_count(base, patch, monkeypatch):
    old = Stack.load(Checkpoint.open(base))
    new = old.adding(read_layer(patch, 1.0))
    assert worth_remembering(old, new, new.tensors) == set(new.tensors)
    foresee(old, new)
    spent = sum(found.remembered.bytes for found in old.surveys.values())
    assert spent == 2 * sum(change.bytes for change in Plan.sketch(old, new).changes)
    monkeypatch.setattr(survey, "REMEMBERED", spent)
    assert worth_remembering(old, new, new.tensors) == set()


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_remembered_is_what_would_be_computed_again(base, patch, whole):
    old = Stack.load(Checkpoint.open(base))
    new = old.adding(read_layer(patch, 1.0))
    look = survey.survey_whole if whole else survey.survey_rows
    for name in new.tensors:
        rows, touched = old.reached(new, name)
        found = look(rows, touched, new.floors(name), remember=True)
        assert view(found.remembered.base) == view(rows.base(touched))
        assert view(found.remembered.final) == view(rows.final(touched, new.floors(name)))
        assert found.remembered.bytes == 2 * len(touched) * rows.width
        again = look(rows, touched, new.floors(name))
        assert again.remembered is None
        assert (again.current, again.after, again.changed) == (found.current, found.after, found.changed)


def test_rows_are_computed_once_and_read_twice(base, patch, monkeypatch):
    read, made = [], []
    current, rounded = Rows.current, rows_of.rounded
    monkeypatch.setattr(Rows, "current", lambda self, rows: read.append(len(rows)) or current(self, rows))
    monkeypatch.setattr(rows_of, "rounded", lambda *given: made.append(len(given[0])) or rounded(*given))
    done = apply(base, [patch], in_place=True, quick=True, disk=QUICK)
    touched = sum(rows for _, _, rows, _ in done.tensors)
    assert (sum(read), sum(made)) == (2 * touched, touched)  # before, and when it is written
    read.clear()
    revert(base, in_place=True, quick=True, disk=QUICK)
    assert sum(read) == 2 * touched


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_bit_that_the_disk_got_wrong_is_found_and_the_old_state_restored(
    tmp_path, patch, monkeypatch, way, remember, shards
):
    base = write_checkpoint(tmp_path / "model", weights(), shards)
    before = digests(base)
    if not remember:
        forgetful(monkeypatch)
    write, wrong = File.write, []

    def flipped(self, data, offset):
        if self.path.suffix == ".safetensors" and self.path.parent.name != "suture" and not wrong:
            wrong.append(self.path)
            data = bytearray(data)
            data[-1] ^= 1
        write(self, data, offset)

    monkeypatch.setattr(File, "write", flipped)
    with pytest.raises(VerificationFailed, match="was not written as computed"):
        apply(base, [patch], **(WAYS[way] or {"out": tmp_path / "out"}), disk=Quick())
    assert wrong
    assert digests(base) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shards", [1, 3])
def test_nothing_remembered_gives_the_same_files(tmp_path, patch, monkeypatch, shards):
    for name in ("one", "other"):
        write_checkpoint(tmp_path / name, weights(), shards)
    apply(tmp_path / "one", [patch], in_place=True, disk=QUICK)
    forgetful(monkeypatch)
    apply(tmp_path / "other", [patch], in_place=True, disk=QUICK)
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


def test_sizes_are_known_of_what_is_put_on_only(base, patch):
    old = Stack.load(Checkpoint.open(base))
    new = old.adding(read_layer(patch, 1.0))
    name = new.tensors[0]
    rows, touched = old.reached(new, name)
    put = survey.survey_rows(rows, touched, new.floors(name))
    values, final = rows.base(touched).double(), rows.final(touched, new.floors(name)).double()
    assert put.held == pytest.approx(float(values.square().mean().sqrt()), rel=1e-12)
    assert put.moved == pytest.approx(float((final - values).square().mean().sqrt()), rel=1e-12)
    off = survey.survey_rows(rows, touched, {})
    assert (off.changed, off.moved, off.held, off.broken) == (0, 0.0, 0.0, 0)
    assert torch.equal(survey.survey_rows(rows, touched, {}, remember=True).remembered.final, rows.base(touched))
