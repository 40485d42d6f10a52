import json
from dataclasses import replace

import pytest
import torch

from models import snapshot
from suture.errors import CorruptFile, NoEffect, PatchMismatch, UsageError
from suture.io import tensorfile
from suture.measure.evaluation import evaluate
from suture.measure.suite import Measure
from suture.patch.delta import Dense, Entries, LowRank, Shift
from suture.patch.file import FORMAT
from suture.patch.patch import Patch
from suture.patch.provenance import Stamp
from suture.report.page import page as page_of


def made(lm, seed=0, size=0.3, kinds=("lowrank", "entries", "dense")) -> Patch:
    """A patch with every kind of change, on the gate, up and down matrices of the first blocks."""
    g = torch.Generator().manual_seed(seed)
    changes = {}
    for layer, kind in enumerate(kinds):
        name = lm.anatomy.weights(lm.anatomy.first)[layer].tensor
        shape = tuple(lm.tensor(name).shape)
        if kind == "lowrank":
            rows = torch.tensor([0, 3, shape[0] - 1])
            changes[name] = LowRank(torch.ones(3, 1) * size, torch.randn(1, shape[1], generator=g), rows)
        elif kind == "entries":
            changes[name] = Entries(torch.tensor([1, 17, 60]), size + torch.rand(3, generator=g))
        else:
            changes[name] = Dense(size * torch.randn(shape, generator=g))
    return Patch.make(lm, changes, method="test", settings={"seed": seed})


def logits(lm, texts=("You are a friend.", "The capital of")):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(t) for t in texts])).logits


def test_leaving_a_patch_restores_every_bit(tiny):
    before = snapshot(tiny)
    patch = made(tiny)
    assert snapshot(tiny) == before
    with patch.applied(tiny):
        assert snapshot(tiny) != before
    assert snapshot(tiny) == before


def test_an_exception_inside_a_patch_restores_every_bit(tiny):
    before = snapshot(tiny)
    with pytest.raises(KeyboardInterrupt), made(tiny).applied(tiny):
        raise KeyboardInterrupt
    assert snapshot(tiny) == before


def test_the_promised_bytes_are_the_bytes(tiny):
    patch = made(tiny)
    with patch.applied(tiny):
        for name, stamp in patch.after.items():
            assert Stamp.of(tiny.tensor(name), tiny.disk_dtype(name)) == stamp
    assert patch.verify(tiny)["entries"] > 0


def test_a_saved_patch_is_the_same_patch(tiny, tmp_path):
    patch = made(tiny)
    first = patch.save(tmp_path / "a.safetensors").read_bytes()
    loaded = Patch.load(tmp_path / "a.safetensors")
    assert loaded.save(tmp_path / "b.safetensors").read_bytes() == first
    with patch.applied(tiny):
        expected = snapshot(tiny)
    with loaded.applied(tiny):
        assert snapshot(tiny) == expected


def test_attached_equals_applied_up_to_rounding(tiny):
    patch = made(tiny, size=0.1)
    with patch.applied(tiny):
        merged = logits(tiny)
    with patch.attached(tiny):
        unmerged = logits(tiny)
    assert not torch.equal(merged, logits(tiny))
    tolerance = 0.15 if merged.dtype == torch.bfloat16 else 2e-4
    assert torch.allclose(merged.float(), unmerged.float(), atol=tolerance * merged.abs().max().item())


def test_each_row_of_a_batch_may_have_its_own_strength(llama, gpt2):
    for lm in (llama, gpt2):
        patch = made(lm)
        rows = [lm.encode("You are a friend.")] * 3
        with patch.attached(lm, torch.tensor([0.0, 0.5, 2.0])), torch.no_grad():
            together = lm.forward(lm.batch(rows)).logits
        for row, strength in enumerate((0.0, 0.5, 2.0)):
            with patch.attached(lm, strength), torch.no_grad():
                alone = lm.forward(lm.batch(rows[:1])).logits
            assert torch.allclose(together[row], alone[0], atol=1e-4)
        with torch.no_grad():
            assert torch.allclose(together[0], lm.forward(lm.batch(rows)).logits[0], atol=1e-6)


def test_a_wrong_number_of_strengths_is_refused(llama):
    with made(llama).attached(llama, torch.ones(3)), pytest.raises(UsageError, match="3 strengths for a batch of 2"):
        logits(llama)


def test_attaching_leaves_no_hook_behind_even_after_an_error(llama):
    expected = logits(llama)
    with pytest.raises(ValueError, match="boom"), made(llama).attached(llama):
        raise ValueError("boom")
    assert torch.equal(logits(llama), expected)


def test_a_shift_moves_a_bias_or_an_output(gpt2):
    name = "transformer.h.1.mlp.c_proj.bias"
    patch = Patch.make(gpt2, {name: Shift(torch.full((32,), 0.5))}, method="shift", settings={})
    with patch.applied(gpt2):
        baked = logits(gpt2)
    with patch.attached(gpt2):
        assert torch.allclose(logits(gpt2), baked, atol=1e-4)


def test_scale_zero_is_identity_and_one_is_the_patch(tiny):
    patch, before = made(tiny), snapshot(tiny)
    with (patch * 0).applied(tiny):
        assert snapshot(tiny) == before
    with (patch * 1).applied(tiny):
        once = snapshot(tiny)
    with patch.applied(tiny):
        assert snapshot(tiny) == once


def test_patches_add_in_any_order_to_the_same_bits(tiny):
    a, b, c = (made(tiny, seed) for seed in range(3))
    found = []
    for total in ((a + b) + c, c + (b + a), (b + c) + a):
        with total.applied(tiny):
            found.append(snapshot(tiny))
    assert found[0] == found[1] == found[2]


def test_a_patch_and_its_negative_cancel_to_the_bit(tiny):
    before = snapshot(tiny)
    patch = made(tiny)
    with (patch + patch * -1).applied(tiny):
        assert snapshot(tiny) == before


def test_a_wrong_base_is_refused_before_any_write(tiny):
    patch = made(tiny)
    name = next(iter(patch.before))
    live = tiny.tensor(name).data
    live.view(-1)[5] += 1
    before = snapshot(tiny)
    with pytest.raises(PatchMismatch, match="differs from the weight"), patch.applied(tiny):
        pass
    assert snapshot(tiny) == before
    with patch.applied(tiny, force=True):
        assert snapshot(tiny) != before
    assert snapshot(tiny) == before


def test_an_already_patched_base_is_refused(tiny):
    patch = made(tiny)
    with patch.applied(tiny), pytest.raises(PatchMismatch, match="Already patched"), patch.applied(tiny):
        pass


def test_another_architecture_is_refused(llama, gpt2):
    with pytest.raises(PatchMismatch, match="no tensor"), made(llama).applied(gpt2):
        pass


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_strength_that_is_no_number_is_refused(llama, factor):
    with pytest.raises(UsageError, match="can not scale"):
        made(llama) * factor


def test_another_type_is_refused(llama):
    patch = made(llama)
    llama.model.to(torch.bfloat16)
    with pytest.raises(PatchMismatch, match="It is BF16"), patch.applied(llama):
        pass


@pytest.mark.parametrize("size", [0.0, 1e-9])
def test_a_patch_that_changes_nothing_is_an_error(llama, size):
    llama.model.to(torch.bfloat16)
    name = "model.layers.0.mlp.gate_proj.weight"
    change = LowRank(torch.ones(48, 1), torch.full((1, 32), size))
    live = llama.tensor(name).data
    live.fill_(1.0)
    with pytest.raises(NoEffect):
        Patch.make(llama, {name: change}, method="nothing", settings={})
    with pytest.raises(NoEffect):
        Patch.make(llama, {}, method="nothing", settings={})


def test_rounding_that_swallows_most_of_a_change_is_said(llama, caplog):
    llama.model.to(torch.bfloat16)
    name = "model.layers.0.mlp.gate_proj.weight"
    llama.tensor(name).data.fill_(1.0)
    values = torch.full((48, 32), 2.0**-9)
    values[0, 0] = 2.0**-6
    Patch.make(llama, {name: Dense(values)}, method="weak", settings={})
    assert "rounding keeps" in caplog.text


def test_edits_are_rounded_to_the_type_on_disk(patient):
    assert patient.model.dtype == torch.float32
    name = "model.layers.0.mlp.gate_proj.weight"
    assert patient.disk_dtype(name) == torch.bfloat16
    patch = Patch.make(patient, {name: Dense(torch.full((512, 192), 1e-3))}, method="x", settings={})
    with patch.applied(patient):
        live = patient.tensor(name)
        assert torch.equal(live, live.bfloat16().float())


def test_a_patch_file_with_a_foreign_index_is_refused(llama, tmp_path):
    path = made(llama).save(tmp_path / "p.safetensors")
    tensors, metadata = tensorfile.read(path, FORMAT)
    for key, value in (("before", "{}"), ("terms", "{}"), ("terms", "[]"), ("provenance", '{"x": 1}')):
        tensorfile.write(path, tensors, {**metadata, key: value})
        with pytest.raises(CorruptFile):
            Patch.load(path)
    terms = json.loads(metadata["terms"])
    for entry in terms.values():
        entry["kind"] = "pickle"
    tensorfile.write(path, tensors, {**metadata, "terms": json.dumps(terms)})
    with pytest.raises(CorruptFile):
        Patch.load(path)


def test_a_random_twin_touches_the_same_rows(llama):
    patch = made(llama, kinds=("lowrank",))
    twin = patch.randomised(llama, seed=1)
    assert twin.terms.keys() == patch.terms.keys()
    (name,) = patch.terms
    assert torch.equal(twin.terms[name][0].rows, patch.terms[name][0].rows)
    assert twin.provenance.effect["intended"] == pytest.approx(patch.provenance.effect["intended"], rel=1e-5)


def test_what_a_sum_and_a_scaled_patch_change_is_measured(tiny):
    one, two = made(tiny, seed=1), made(tiny, seed=2)
    told = one.provenance.effect
    assert one.effect(tiny) == told
    for patch in (one + two, 0.5 * one, one + two + one):
        assert patch.provenance.effect == {}  # nothing is told of it, and a missing figure is not a zero
        assert patch.effect(tiny) == patch.verify(tiny)
        assert patch.effect(tiny)["entries"] > 0
    assert (0.5 * one).effect(tiny)["intended"] == pytest.approx(told["intended"] / 2)
    assert (1.0 * one).effect(tiny) == told
    assert (one + -1.0 * one).effect(tiny)["entries"] == 0


def test_a_report_of_a_sum_says_what_is_changed(llama):
    total = made(llama, seed=1) + made(llama, seed=2)
    report = evaluate(llama, total, [Measure("perplexity", "perplexity", ["A text."], "keep", "lower", "")])
    assert report.effect == total.verify(llama)
    assert f"{report.effect['entries']:,} weights changed" in page_of(report)
    diff = replace(total.provenance, effect={"entries": 7, "wrong": 0})  # as `suture diff` tells it: no norm
    assert replace(total, provenance=diff).effect(llama) == report.effect
