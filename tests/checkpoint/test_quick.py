"""In place by the touched rows alone: exact all the same, and what was not looked at is never called ok."""

import json
import shutil
from dataclasses import replace
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from checkpoint_parts import QUICK, Quick, Tensors, cases, counted, digests, patch_of, weights, write_checkpoint
from suture.checkpoint.change import survey
from suture.checkpoint.change.rows import Rows
from suture.checkpoint.format.folder import LEDGER, Checkpoint
from suture.checkpoint.stack.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import CorruptFile, NoEffect, PatchMismatch, UsageError, VerificationFailed
from suture.io import tensorfile
from suture.patch.delta import Dense, LowRank
from suture.patch.file import FORMAT
from suture.patch.patch import Patch

NAMES = ("a.weight", "experts")  # a low-rank change of three rows, and three single entries
PLACED = {"in_place": True, "disk": QUICK}


def problems(path, **kwargs):
    return {finding.what: finding.problem for finding in verify(path, **kwargs) if finding.problem}


def flip(folder, name, row):
    """Flip the lowest bit of a tensor's row on disk."""
    slot = Checkpoint.open(folder).slots[name]
    place = slot.begin + row * (slot.size // slot.shape[0])
    content = bytearray(slot.file.read_bytes())
    content[place] ^= 1
    slot.file.write_bytes(content)


def tensors_of(folder):
    return {name: t for file in sorted(folder.glob("*.safetensors")) for name, t in load_file(file).items()}


def reached(patch, name):
    return patch.terms[name][0].touched_rows(patch.before[name].shape).tolist()


def rest(patch, name):
    """A row that the patch does not touch."""
    return next(row for row in range(patch.before[name].shape[0]) if row not in reached(patch, name))


@pytest.fixture
def patch(tmp_path):
    return patch_of(weights(), 0, NAMES).save(tmp_path / "quick.safetensors")


@settings(max_examples=cases(40), deadline=None)
@given(st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]), st.integers(1, 3), st.integers(0, 8),
       st.sampled_from([1.0, 0.5, -1.5]), st.booleans(), st.booleans(), st.sampled_from([0, 100, survey.SMALL]))  # fmt: skip
def test_on_and_off_quickly_gives_the_base(tmp_path_factory, dtype, shards, seed, scale, on, off, small):
    """Any of the two ways on, any off, no matter what is remembered: the weights the whole way gives, and the base again."""
    with mock.patch.multiple(survey, SMALL=small, REMEMBERED=min(small, survey.REMEMBERED)):
        there_and_back(tmp_path_factory.mktemp("case"), dtype, shards, seed, scale, on, off)


def there_and_back(work, dtype, shards, seed, scale, on, off):
    base = write_checkpoint(work / "base", weights(dtype), shards)
    file = patch_of(weights(dtype), seed).save(work / "p")
    shutil.copytree(base, work / "model")
    outcome = apply(work / "model", [file], quick=on, scale=scale, **PLACED)
    assert outcome.checked == ("touched rows" if on else "whole tensors")
    apply(base, [file], work / "whole", scale=scale, disk=QUICK)
    found, whole = digests(work / "model"), digests(work / "whole")
    assert {n for n in whole if found[n] != whole[n]} == ({LEDGER} if on else set())
    assert not problems(work / "model", base=base)
    if off and not on and scale != 1:
        with pytest.raises(UsageError, match="without a SHA-256 of its rows"):
            revert(work / "model", quick=True, **PLACED)
        off = False
    revert(work / "model", quick=off, **PLACED)
    assert digests(work / "model") == digests(base)
    counted("R6 put on or taken off quickly gives the base")
    shutil.rmtree(work)


def test_nothing_but_touched_rows_is_read(base, patch, monkeypatch):
    read = []
    current = Rows.current

    def seen(self, rows):
        read.append((self.slot.name, set(rows.tolist())))
        return current(self, rows)

    def whole(*_):
        raise AssertionError("a whole tensor was read")

    monkeypatch.setattr(Rows, "current", seen)
    monkeypatch.setattr(Rows, "sha256", whole)
    monkeypatch.setattr(Rows, "blocks", whole)
    apply(base, [patch], quick=True, **PLACED)
    revert(base, quick=True, **PLACED)
    loaded = Patch.load(patch)
    assert read
    assert all(rows <= set(reached(loaded, name)) for name, rows in read)


@pytest.mark.parametrize("name", NAMES)
def test_one_bit_of_a_touched_row_is_refused_before_any_write(base, patch, name):
    class Untouched(Quick):
        def step(self, what, path):
            raise AssertionError(f"{what} {path}")

    flip(base, name, reached(Patch.load(patch), name)[-1])
    before = digests(base)
    with pytest.raises(PatchMismatch, match=f"rows of {name} differ"):
        apply(base, [patch], in_place=True, quick=True, disk=Untouched())
    assert digests(base) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_bit_beside_the_touched_rows_is_found_by_all_who_look(base, patch, tmp_path, name):
    flip(base, name, rest(Patch.load(patch), name))
    old = digests(base)
    apply(base, [patch], quick=True, **PLACED)  # nobody looked
    assert "not what that was made for" in problems(base)[name]
    other = patch_of(weights(), 3, ("c.weight", name)).save(tmp_path / "other")
    assert any("fits" in what for what in problems(base, patches=[other]))
    for change in (
        lambda: apply(base, [other], tmp_path / "out", disk=QUICK),
        lambda: apply(base, [other], **PLACED),
        lambda: revert(base, out=tmp_path / "out", disk=QUICK),
        lambda: revert(base, **PLACED),
    ):
        with pytest.raises(PatchMismatch, match=r"beside the rows") as raised:
            change()
        assert "--in-place --quick" in raised.value.fix
    revert(base, quick=True, **PLACED)
    assert digests(base) == old


def test_a_patched_row_that_was_changed_since_is_found(base, patch):
    apply(base, [patch], quick=True, **PLACED)
    flip(base, "a.weight", reached(Patch.load(patch), "a.weight")[0])
    assert problems(base) == {"a.weight": "it is not what its patches made of it"}
    with pytest.raises(PatchMismatch, match=r"rows of a\.weight were changed since"):
        revert(base, quick=True, **PLACED)
    with pytest.raises(PatchMismatch, match="not what its patches made"):
        revert(base, **PLACED)


def test_a_sha256_in_the_ledger_that_is_not_that_of_the_rows_is_found(base, patch):
    apply(base, [patch], quick=True, **PLACED)
    content = json.loads((base / LEDGER).read_text())
    content["tensors"]["a.weight"]["rows"] = "0" * 64
    (base / LEDGER).write_text(json.dumps(content))
    assert problems(base) == {"a.weight": "it is not what its patches made of it"}


@pytest.mark.parametrize(
    "mark",
    [{"rows": "0" * 63}, {"rows": ""}, {"rows": None}, {"rows": ["0" * 64]}, {"after": {"0": "0" * 64}}, {"base": ""}],
)
def test_a_ledger_bent_by_hand_is_refused(base, patch, mark):
    apply(base, [patch], quick=True, **PLACED)
    content = json.loads((base / LEDGER).read_text())
    content["tensors"]["a.weight"].update(mark)
    (base / LEDGER).write_text(json.dumps(content))
    with pytest.raises(CorruptFile):
        Ledger.load(base)


def test_a_change_that_is_not_quick_completes_what_is_known(base, patch, patches, tmp_path):
    """Quick and then not: in the end the folder is the one that two whole ways make."""
    pristine = shutil.copytree(base, tmp_path / "pristine")
    apply(base, [patch], quick=True, **PLACED)
    assert all(mark.rows and not mark.after for mark in Ledger.load(base).tensors.values())
    apply(base, [patches[1]], **PLACED)  # on a.weight, too
    known = Ledger.load(base).tensors
    assert {name for name, mark in known.items() if mark.rows} == {"experts"}
    apply(pristine, [patch, patches[1]], tmp_path / "whole", disk=QUICK)
    whole = Ledger.load(tmp_path / "whole").tensors
    assert known["a.weight"] == whole["a.weight"]
    assert not problems(base, base=pristine)
    revert(base, ["1"], **PLACED)
    revert(base, **PLACED)
    assert digests(base) == digests(pristine)


def test_quick_patches_stack_on_different_tensors(base, patch, tmp_path):
    before = digests(base)
    other = patch_of(weights(), 1, ("b.weight", "norm")).save(tmp_path / "other")
    apply(base, [patch, other], quick=True, **PLACED)
    assert [floor for *_, floor in revert(base, ["1"], quick=True, **PLACED).patches] == [0]
    assert not problems(base)
    revert(base, quick=True, **PLACED)
    assert digests(base) == before


def test_quick_beside_and_below_patches_made_on_the_result(base, patch, tmp_path, monkeypatch):
    """A quick patch stands on the floor the whole way puts it on; what is made on its result stands above it."""
    before = digests(base)
    apply(base, [patch], quick=True, **PLACED)
    above = patch_of(tensors_of(base), 3, ("a.weight",)).save(tmp_path / "above")
    assert [floor for *_, floor in apply(base, [above], **PLACED).patches] == [0, 1]
    other = patch_of(weights(), 4, ("norm",)).save(tmp_path / "other")
    apply(base, [other], tmp_path / "whole", disk=QUICK)
    with monkeypatch.context() as watched:
        watched.setattr(Rows, "blocks", None)
        floors = [floor for *_, floor in apply(base, [other], quick=True, **PLACED).patches]
    assert floors == [entry.floor for entry in Ledger.load(tmp_path / "whole").patches]
    assert not problems(base)
    revert(base, ["3"], quick=True, **PLACED)
    revert(base, ["2"], **PLACED)
    revert(base, **PLACED)
    assert digests(base) == before


def without_rows(file, key="before"):
    """The patch as an earlier version wrote it."""
    tensors, metadata = tensorfile.read(file, FORMAT)
    content = {
        name: {k: v for k, v in stamp.items() if k != "rows"} for name, stamp in json.loads(metadata[key]).items()
    }
    tensorfile.write(file, tensors, {**metadata, key: json.dumps(content)})
    return file


def test_a_patch_of_old_is_applied_the_whole_way_only(base, patch):
    old = digests(base)
    without_rows(patch)
    with pytest.raises(UsageError, match="can not be checked quickly") as raised:
        apply(base, [patch], quick=True, **PLACED)
    assert "Leave `quick` away" in raised.value.fix
    assert digests(base) == old
    apply(base, [patch], **PLACED)
    revert(base, **PLACED)
    assert digests(base) == old


def test_what_can_not_be_done_quickly_says_so(base, patch, patches, tmp_path):
    for words in ({"out": tmp_path / "out"}, {"in_place": True, "force": True}):
        for call in (lambda **to: apply(base, [patch], **to), lambda **to: revert(base, **to)):
            with pytest.raises(UsageError, match="`quick`"):
                call(quick=True, **words)
    with pytest.raises(UsageError, match="has another"):
        apply(base, [patch, patches[1]], quick=True, **PLACED)
    apply(base, [patch], quick=True, **PLACED)
    for again in (patch, patches[1]):
        with pytest.raises(UsageError, match=r"a\.weight has another"):
            apply(base, [again], quick=True, **PLACED)
    apply(base, [patches[1]], **PLACED)
    with pytest.raises(UsageError, match=r"a\.weight has another"):
        revert(base, ["1"], quick=True, **PLACED)


def test_no_effect_infinities_and_changes_beyond_measure_are_refused(base, tmp_path):
    made = patch_of(weights(), 0, ("a.weight",)).save(tmp_path / "p")
    with pytest.raises(NoEffect):
        apply(base, [made], quick=True, scale=1e-30, **PLACED)
    with pytest.raises(UsageError, match="beyond measure"):
        apply(base, [made], quick=True, scale=1e4, **PLACED)
    apply(base, [made], quick=True, scale=1e4, allow_large=True, **PLACED)
    half = write_checkpoint(tmp_path / "half", weights(torch.float16))
    change = {"a.weight": LowRank(torch.full((1, 1), 1e3), torch.ones(1, 8), torch.tensor([2]))}
    made = Patch.make(Tensors(weights(torch.float16)), change, method="t", settings={}).save(tmp_path / "q")
    with pytest.raises(PatchMismatch, match="infinities"):
        apply(half, [made], quick=True, scale=1e3, **PLACED)


@pytest.mark.parametrize("kind", ["dtype", "shape", "promise"])
def test_another_base_or_a_broken_promise_is_refused(base, patch, tmp_path, kind):
    folder, error = base, PatchMismatch
    if kind == "dtype":
        folder = write_checkpoint(tmp_path / "x", weights(torch.float16))
    elif kind == "shape":
        folder = write_checkpoint(tmp_path / "x", {**weights(), "a.weight": torch.ones(4, 48, dtype=torch.bfloat16)})
    else:
        loaded, error = Patch.load(patch), VerificationFailed
        after = {name: replace(stamp, rows="1" * 64) for name, stamp in loaded.after.items()}
        replace(loaded, after=after).save(patch)
    before = digests(folder)
    with pytest.raises(error):
        apply(folder, [patch], quick=True, **PLACED)
    assert digests(folder) == before


@pytest.mark.parametrize("rows", ["0" * 63, "g" * 64, "A" * 64, 5, None, ["0" * 64], "", "0" * 64 + "\n"])
@pytest.mark.parametrize("key", ["before", "after"])
def test_a_stamp_with_a_hostile_hash_of_rows_is_refused(patch, key, rows):
    tensors, metadata = tensorfile.read(patch, FORMAT)
    content = json.loads(metadata[key])
    content["a.weight"]["rows"] = rows
    tensorfile.write(patch, tensors, {**metadata, key: json.dumps(content)})
    with pytest.raises(CorruptFile):
        Patch.load(patch)


def test_patches_know_their_rows_as_long_as_it_is_true(patch):
    """Scaled they touch the same rows; summed they touch others, where both touch a tensor."""
    one, two = Patch.load(patch), patch_of(weights(), 1, ("a.weight", "b.weight"))
    assert all(stamp.rows for made in (one, two) for stamp in (*made.before.values(), *made.after.values()))
    assert {name: stamp.rows for name, stamp in (0.5 * one).before.items()} == {
        n: s.rows for n, s in one.before.items()
    }
    both = one + two
    assert {name for name, stamp in both.before.items() if stamp.rows} == {"experts", "b.weight"}
    dense = patch_of(weights(), 2, ("a.weight",)).before["a.weight"]
    assert isinstance(patch_of(weights(), 2, ("a.weight",)).terms["a.weight"][0], Dense)
    assert dense.rows == dense.sha256
