"""Apply and revert, as promises: exact, whole, refused before any write."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from checkpoint_parts import (
    CONFIG,
    QUICK,
    Quick,
    Tensors,
    cases,
    counted,
    digests,
    patch_of,
    shard,
    weights,
    write_checkpoint,
)
from suture.checkpoint.stack.ledger import Ledger
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.errors import (
    CorruptFile,
    NoEffect,
    PatchMismatch,
    ResourceError,
    UnsupportedModel,
    UsageError,
    VerificationFailed,
)
from suture.io.files import sha256
from suture.patch.delta import Dense, LowRank
from suture.patch.patch import Patch

DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


def holds(path, **kwargs):
    return not [finding for finding in verify(path, **kwargs) if finding.problem]


def tensors_of(folder):
    return {name: t for file in sorted(folder.glob("*.safetensors")) for name, t in load_file(file).items()}


@settings(max_examples=cases(60), deadline=None)
@given(DTYPES, st.integers(1, 3), st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True), st.randoms(),
       st.booleans(), st.floats(-2, 2).filter(lambda s: abs(s) > 0.1))  # fmt: skip
def test_taking_all_patches_off_gives_the_base(tmp_path_factory, dtype, shards, seeds, random, in_place, scale):
    """Any type, shard layout, stack of low-rank, entries and dense changes, order of putting on and of taking off."""
    work = tmp_path_factory.mktemp("case")
    base = write_checkpoint(work / "base", weights(dtype), shards)
    before = digests(base)
    files = [patch_of(weights(dtype), seed).save(work / f"{seed}.safetensors") for seed in seeds]
    path = work / "model"
    shutil.copytree(base, path)
    for number, file in enumerate(files):
        if in_place:
            apply(path, [file], in_place=True, scale=scale, disk=QUICK)
        else:
            apply(path, [file], work / f"on{number}", scale=scale, disk=QUICK)
            path = work / f"on{number}"
        assert holds(path, base=base)  # R8 at each apply: whatever no patch touched is the base's
        counted("R8 an apply leaves every other byte alone")
    random.shuffle(files)
    for number, file in enumerate(files):
        if in_place:
            revert(path, [str(file)], in_place=True, disk=QUICK)
        else:
            revert(path, [str(file)], work / f"off{number}", disk=QUICK)
            path = work / f"off{number}"
    assert digests(path) == before == digests(base)
    counted("R6 taking off gives the base")
    shutil.rmtree(work)


@settings(max_examples=cases(25), deadline=None)
@given(DTYPES, st.permutations(range(3)), st.integers(1, 3), st.sampled_from([1, 2, 4]))
def test_order_shards_and_threads_do_not_matter(tmp_path_factory, dtype, order, shards, threads):
    work = tmp_path_factory.mktemp("case")
    one = write_checkpoint(work / "one", weights(dtype), 1)
    other = write_checkpoint(work / "other", weights(dtype), shards)
    files = [patch_of(weights(dtype), seed).save(work / f"{seed}.safetensors") for seed in range(3)]
    apply(one, files, work / "together", disk=QUICK)
    path, before = other, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for number in order:
            apply(path, [files[number]], work / f"step{number}", disk=QUICK)
            path = work / f"step{number}"
    finally:
        torch.set_num_threads(before)
    expected, found = tensors_of(work / "together"), tensors_of(path)
    assert all(torch.equal(expected[n].view(torch.uint8), found[n].view(torch.uint8)) for n in expected)
    counted("R7 and R9 one result for any threads, shards and order")
    shutil.rmtree(work)


@settings(max_examples=cases(10), deadline=None)
@given(DTYPES, st.integers(0, 4), st.permutations(range(5)), st.integers(1, 3))
def test_any_of_five_patches_can_be_taken_out(tmp_path_factory, dtype, out, order, shards):
    work = tmp_path_factory.mktemp("case")
    base = write_checkpoint(work / "base", weights(dtype), shards)
    files = [patch_of(weights(dtype), seed).save(work / f"{seed}.safetensors") for seed in order]
    apply(base, files, work / "five", disk=QUICK)
    revert(work / "five", [str(out + 1)], in_place=True, disk=QUICK)
    apply(base, [file for number, file in enumerate(files) if number != out], work / "never", disk=QUICK)
    assert digests(work / "five") == digests(work / "never")
    counted("R9 one of five taken out")
    shutil.rmtree(work)


def test_a_patch_in_the_middle_of_five_can_be_taken_out(base, patches, tmp_path):
    apply(base, patches, tmp_path / "five")
    revert(tmp_path / "five", ["3"], tmp_path / "four")
    apply(base, [p for n, p in enumerate(patches) if n != 2], tmp_path / "never")
    assert digests(tmp_path / "four") == digests(tmp_path / "never")


def test_untouched_bytes_are_the_same_bytes(base, patches, tmp_path):
    apply(base, patches[:1], tmp_path / "out")  # touches a.weight and experts, in the first shard
    before, after = digests(base), digests(tmp_path / "out")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"model-00001-of-00002.safetensors"}
    assert {name for name in after.keys() - before.keys() if not name.startswith("suture")} == set()
    old, new = tensors_of(base), tensors_of(tmp_path / "out")
    assert {n for n in old if not torch.equal(old[n], new[n])} == {"a.weight", "experts"}


def test_a_result_is_what_the_patch_promises(base, patches, tmp_path):
    apply(base, [patches[0]], tmp_path / "out")
    host, patch = Tensors(tensors_of(tmp_path / "out")), Patch.load(patches[0])
    for name, stamp in patch.after.items():
        assert type(stamp).of(host.tensor(name), host.disk_dtype(name)) == stamp


def test_in_place_and_new_folder_give_the_same(base, patches, tmp_path):
    apply(base, patches[:2], tmp_path / "out")
    outcome = apply(base, patches[:2], in_place=True)
    assert digests(base) == digests(tmp_path / "out")
    assert outcome.bytes > 0


def test_subtraction_does_not_restore_bf16():
    """Why undo data is kept: W + D - D, each rounded to bf16, differs from W."""
    torch.manual_seed(0)
    weight = torch.randn(512, 512).bfloat16()
    change = (torch.randn(512, 2) @ torch.randn(2, 512) * 0.3).bfloat16()
    assert 0.05 < float(((weight + change) - change != weight).float().mean()) < 0.6


def test_a_patch_made_on_a_patched_checkpoint_stands_above(base, patches, tmp_path):
    apply(base, [patches[0]], tmp_path / "one")
    second = patch_of(tensors_of(tmp_path / "one"), 7).save(tmp_path / "second.safetensors")
    outcome = apply(tmp_path / "one", [second], tmp_path / "two")
    assert [floor for *_, floor in outcome.patches] == [0, 1]
    assert holds(tmp_path / "two", base=base)
    host, patch = Tensors(tensors_of(tmp_path / "two")), Patch.load(second)
    for name, stamp in patch.after.items():
        assert type(stamp).of(host.tensor(name), host.disk_dtype(name)) == stamp
    with pytest.raises(PatchMismatch, match="made on the result"):
        revert(tmp_path / "two", ["1"], in_place=True)
    revert(tmp_path / "two", ["2"], tmp_path / "back")
    assert digests(tmp_path / "back") == digests(tmp_path / "one")
    revert(tmp_path / "two", ["1"], in_place=True, force=True)
    revert(tmp_path / "two", in_place=True)
    assert digests(tmp_path / "two") == digests(base)


class Untouched(Quick):
    """A disk on which nothing may be done."""

    def step(self, what, path):
        raise AssertionError(f"{what} {path}")


@pytest.mark.parametrize("kind", ["bit", "dtype", "shape", "absent", "patched", "twice"])
def test_a_wrong_base_is_refused_before_any_write(base, patches, tmp_path, kind):
    folder = base
    if kind == "bit":
        content = bytearray((base / "model-00001-of-00002.safetensors").read_bytes())
        content[-1] ^= 1
        (base / "model-00001-of-00002.safetensors").write_bytes(content)
    elif kind == "dtype":
        folder = write_checkpoint(tmp_path / "x", weights(torch.float16))
    elif kind == "shape":
        folder = write_checkpoint(tmp_path / "x", {**weights(), "a.weight": torch.ones(4, 48, dtype=torch.bfloat16)})
    elif kind == "absent":
        folder = write_checkpoint(tmp_path / "x", {n: t for n, t in weights().items() if n != "norm"})
    elif kind == "patched":
        apply(base, [patches[2]], in_place=True)
        shutil.rmtree(base / "suture")
        (base / "suture.json").unlink()
    else:
        apply(base, [patches[2]], in_place=True)
    # patches[2] touches a.weight and norm; the flipped bit is the last of c.weight's shard
    wanted = (
        patch_of(weights(), 2, ("norm", "a.weight", "c.weight")).save(tmp_path / "w") if kind == "bit" else patches[2]
    )
    before = digests(folder)
    with pytest.raises(PatchMismatch):
        apply(folder, [wanted], tmp_path / "out")
    with pytest.raises(PatchMismatch):
        apply(folder, [wanted], in_place=True, disk=Untouched())
    assert digests(folder) == before
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_force_applies_records_and_can_be_taken_off(base, patches, tmp_path):
    other = write_checkpoint(tmp_path / "other", weights(seed=9))
    outcome = apply(other, [patches[0]], tmp_path / "out", force=True)
    assert any("differs" in note for note in outcome.notes)
    assert "differs" in json.loads((tmp_path / "out" / "suture.json").read_text())["patches"][0]["forced"][0]
    assert holds(tmp_path / "out", base=other)
    revert(tmp_path / "out", out=tmp_path / "back")
    assert digests(tmp_path / "back") == digests(other)


def test_no_ops_are_errors(base, patches, tmp_path):
    tensors = weights()
    swallowed = patch_of(tensors, 0)
    for scale, file in ((0.0, patches[0]), (1e-30, swallowed.save(tmp_path / "s"))):
        with pytest.raises(NoEffect):
            apply(base, [file], tmp_path / "out", scale=scale)
    opposite = (-1 * Patch.load(patches[0])).save(tmp_path / "opposite")
    with pytest.raises(NoEffect):
        apply(base, [patches[0], opposite], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tied_embeddings_are_refused_unless_untied(tmp_path):
    tensors = {"model.embed_tokens.weight": torch.randn(6, 4), "x": torch.randn(2, 2)}
    change = {"model.embed_tokens.weight": Dense(torch.ones(6, 4))}
    patch = Patch.make(Tensors(tensors), change, method="t", settings={}).save(tmp_path / "p")
    tied = [({}, tensors), ({"tie_word_embeddings": True}, {**tensors, "lm_head.weight": torch.randn(6, 4)})]
    for number, (config, content) in enumerate(tied):
        folder = write_checkpoint(tmp_path / f"tied{number}", content, 1, config)
        with pytest.raises(UnsupportedModel, match="output head"):
            apply(folder, [patch], tmp_path / "out")
    untied = write_checkpoint(tmp_path / "untied", tied[1][1], 1, CONFIG)
    apply(untied, [patch], tmp_path / "out")


@pytest.mark.parametrize("how", ["touched", "grown"])
def test_a_source_that_changes_while_it_is_copied_gives_no_folder(base, patches, tmp_path, how):
    class Changing(Quick):
        def step(self, what, path):
            if what == "flush" and path.name.startswith("undo"):  # all is hashed by then
                file = base / "model-00002-of-00002.safetensors"
                with file.open("ab") as stream:
                    stream.write(b"x" if how == "grown" else b"")
                os.utime(file, (1, 1))

    with pytest.raises(VerificationFailed, match="changed meanwhile"):
        apply(base, patches[:1], tmp_path / "out", disk=Changing())
    assert not list(tmp_path.glob("out*"))


def test_links_are_made_only_when_asked_and_never_written_through(base, patches, tmp_path):
    apply(base, [patches[0]], tmp_path / "linked", link=True)
    same = {f.name for f in base.rglob("*") if f.is_file() and f.stat().st_nlink > 1}
    assert "model-00002-of-00002.safetensors" in same
    assert "model-00001-of-00002.safetensors" not in same
    before = digests(base)
    with pytest.raises(UsageError, match="other names"):
        apply(tmp_path / "linked", [patches[1]], in_place=True)  # touches b.weight, in the linked shard
    assert digests(base) == before
    assert holds(tmp_path / "linked", base=base)


def test_a_dry_run_writes_nothing(base, patches, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    outcome = apply(base, patches[:2], tmp_path / "out", dry_run=True)
    assert outcome.entries > 0
    assert outcome.room > 0
    apply(base, patches[:2], in_place=True, dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_too_little_disk_is_said_with_the_bytes_needed(base, patches, tmp_path, monkeypatch):
    import os

    real = os.statvfs(tmp_path)

    class Full:
        f_bavail, f_frsize = 10, real.f_frsize

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    for where in ({"out": tmp_path / "out"}, {"in_place": True}):
        with pytest.raises(ResourceError, match=r"\d+ bytes are needed, \d+ are free"):
            apply(base, patches[:1], **where)
    assert sorted(f.name for f in tmp_path.iterdir() if f.name.startswith("out")) == []


@pytest.mark.parametrize("out", ["base", "base/inner", "."])
def test_an_output_in_the_way_is_refused(base, patches, tmp_path, out):
    with pytest.raises(UsageError):
        apply(base, patches[:1], tmp_path / out)


def test_nowhere_or_twice_to_write_is_a_usage_error(base, patches, tmp_path):
    for where in ({}, {"out": tmp_path / "out", "in_place": True}):
        with pytest.raises(UsageError, match="where"):
            apply(base, patches[:1], **where)


def test_which_patch_is_meant_must_be_clear(base, patches, tmp_path):
    with pytest.raises(UsageError, match="no patch is on"):
        revert(base, in_place=True)
    apply(base, patches[:2], in_place=True)
    with pytest.raises(UsageError, match="means no patch"):
        revert(base, ["other"], in_place=True)
    revert(base, ["p0.safetensors"], in_place=True)
    assert [f.name for f in (base / "suture").glob("patch*")]


@pytest.mark.parametrize("victim", ["undo", "patch", "suture.json", "weights"])
def test_damage_to_what_is_kept_is_found(base, patches, tmp_path, victim):
    apply(base, patches[:1], tmp_path / "out")
    folder = tmp_path / "out"
    file = {
        "suture.json": folder / "suture.json",
        "weights": folder / "model-00001-of-00002.safetensors",
    }.get(victim) or next((folder / "suture").glob(f"{victim}*"))
    content = bytearray(file.read_bytes())
    if victim == "suture.json":
        place = content.index(b'"base"') + 12
        content[place] = ord("2") if content[place] == ord("1") else ord("1")
    else:
        place = 8 + int.from_bytes(content[:8], "little") + 3  # in the first tensor
        content[place] ^= 1
    file.write_bytes(content)
    if victim in ("weights", "suture.json"):
        assert not holds(folder)
    else:
        with pytest.raises(CorruptFile):
            verify(folder)
    with pytest.raises((CorruptFile, PatchMismatch)):
        revert(folder, out=tmp_path / "back")


def test_a_low_rank_change_of_columns_only(tmp_path):
    tensors = weights()
    change = {"c.weight": LowRank(torch.ones(10, 1), torch.full((1, 2), 3.0), None, torch.tensor([0, 9]))}
    patch = Patch.make(Tensors(tensors), change, method="t", settings={}).save(tmp_path / "p")
    base = write_checkpoint(tmp_path / "base", tensors)
    assert apply(base, [patch], tmp_path / "out").entries == 20
    revert(tmp_path / "out", out=tmp_path / "back")
    assert digests(tmp_path / "back") == digests(base)


def test_a_shard_that_is_one_tensor_of_zero_rows_is_left_alone(tmp_path):
    base = write_checkpoint(tmp_path / "base", {**weights(), "empty": torch.zeros(0, 4)})
    patch = patch_of(weights()).save(tmp_path / "p")
    apply(base, [patch], tmp_path / "out")
    assert holds(tmp_path / "out", base=base)
    shard(tmp_path / "x", {})


def test_a_file_means_the_patch_that_is_in_it_and_not_one_of_its_name(base, patches, tmp_path, monkeypatch):
    apply(base, patches[:2], in_place=True, disk=QUICK)
    digest = sha256(patches[0])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path(patches[0].name).write_bytes(patches[1].read_bytes())  # another one, by the name of the first
    Path("other.safetensors").write_bytes(patches[2].read_bytes())
    with pytest.raises(UsageError, match="means no patch"):
        revert(base, ["other.safetensors"], in_place=True, disk=QUICK)
    revert(base, [patches[0].name], in_place=True, disk=QUICK)
    assert [entry.sha256 for entry in Ledger.load(base).patches] == [digest]  # the second is off
