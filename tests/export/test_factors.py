import pytest
import torch

from models import FAMILIES, tiny_family
from suture.errors import NoEffect, PatchMismatch, UsageError
from suture.export.factors import adapted
from suture.patch.delta import Dense, Entries, LowRank, Shift
from suture.patch.patch import Patch


def make(lm, changes):
    return Patch.make(lm, changes, method="test", settings={})


def live_change(lm, patch, parameter):
    """What a patch really does to a live parameter: the difference that merging it makes, in float32."""
    before = lm.model.get_parameter(parameter).detach().clone()
    with patch.applied(lm):
        return lm.model.get_parameter(parameter).detach() - before


@pytest.mark.parametrize("family", FAMILIES)
def test_the_factors_multiply_to_the_change_of_the_live_matrix(family, tokenizer, low_rank):
    lm = tiny_family(family, tokenizer)
    patch = low_rank(lm, lm.anatomy.parts, rank=2)
    found = adapted(lm, patch)
    assert found
    for each in found:
        moved = live_change(lm, patch, each.parameter)
        matrices = moved if moved.dim() == 3 else moved[None]
        assert len(each.factors) == len(matrices)
        for factors, matrix in zip(each.factors, matrices, strict=True):
            assert factors.kept == 1
            product = factors.left @ factors.right
            assert torch.allclose(product, matrix.T if each.transposed else matrix, atol=2e-6), each.parameter


def test_together_they_are_every_parameter_that_changes(tokenizer, low_rank):
    lm = tiny_family("mixtral", tokenizer)
    patch = low_rank(lm, lm.anatomy.parts)
    before = {name: p.detach().clone() for name, p in lm.model.named_parameters()}
    with patch.applied(lm):
        changed = {name for name, p in lm.model.named_parameters() if not torch.equal(p, before[name])}
    assert {each.parameter for each in adapted(lm, patch)} == changed


def test_the_rank_is_the_sum_of_the_terms_and_a_scale_is_folded_in(llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"]) + 0.5 * low_rank(llama, ["mlp.gate"], rank=2, seed=1)
    for each in adapted(llama, patch):
        assert each.rank == 3
        moved = live_change(llama, patch, each.parameter)
        assert torch.allclose(each.factors[0].left @ each.factors[0].right, moved, atol=2e-6)


def test_terms_of_scale_zero_are_left_out(llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"])
    assert [each.rank for each in adapted(llama, patch + 0.0 * low_rank(llama, ["mlp.up"], seed=1))] == [1, 1, 1]
    with pytest.raises(NoEffect):
        adapted(llama, 0.0 * patch)


@pytest.mark.parametrize("kind", ["entries", "dense"])
def test_what_has_no_factors_is_refused_with_the_way_out(kind, llama):
    weight = llama.anatomy.weights("mlp.up")[0]
    change = Entries(torch.tensor([3, 40]), torch.ones(2)) if kind == "entries" else Dense(torch.randn(48, 32))
    with pytest.raises(UsageError, match=kind) as caught:
        adapted(llama, make(llama, {weight.tensor: change}))
    assert "`rank=R`" in caught.value.fix
    assert "checkpoint" in caught.value.fix


def test_an_approximation_is_the_best_of_its_rank_and_says_what_it_keeps(llama):
    weight = llama.anatomy.weights("mlp.up")[0]
    torch.manual_seed(0)
    values = torch.randn(48, 32)
    (each,) = adapted(llama, make(llama, {weight.tensor: Dense(values)}), rank=5)
    left = values.double() - each.factors[0].left.double() @ each.factors[0].right.double()
    singular = torch.linalg.svdvals(values.double())
    assert each.rank == 5
    assert each.kept == pytest.approx(float(singular[:5].square().sum() / singular.square().sum()))
    assert float(left.norm()) == pytest.approx(float(singular[5:].norm()), rel=1e-5)


def test_few_entries_are_exact_when_the_rank_allows(llama):
    weight = llama.anatomy.weights("mlp.up")[0]
    patch = make(llama, {weight.tensor: Entries(torch.tensor([3, 40]), torch.tensor([1.0, 2.0]))})
    (each,) = adapted(llama, patch, rank=2)
    assert each.kept == 1
    assert torch.allclose(
        each.factors[0].left @ each.factors[0].right, live_change(llama, patch, each.parameter), atol=1e-6
    )


def test_a_rank_below_that_of_the_terms_truncates_them(llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"], rank=3)
    for each in adapted(llama, patch, rank=2):
        moved = live_change(llama, patch, each.parameter).double()
        singular = torch.linalg.svdvals(moved)
        kept = float(singular[:2].square().sum() / singular.square().sum())
        assert each.rank == 2
        assert each.kept == pytest.approx(kept, abs=1e-5)
        rest = float((moved - each.factors[0].left.double() @ each.factors[0].right.double()).norm())
        assert rest == pytest.approx(float(singular[2:].norm()), rel=1e-3)
    assert all(each.kept == 1 and each.rank == 3 for each in adapted(llama, patch, rank=3))


def test_experts_are_truncated_one_by_one(tokenizer, low_rank):
    lm = tiny_family("gpt_oss", tokenizer)
    patch = low_rank(lm, ["mlp.down"], rank=3)
    for each, full in zip(adapted(lm, patch, rank=2), adapted(lm, patch), strict=True):
        assert [factors.rank for factors in full.factors] == [0, 3, 3]  # the first expert is left alone
        assert [factors.rank for factors in each.factors] == [0, 2, 2]
        assert each.kept == min(factors.kept for factors in each.factors[1:]) < 1


def test_a_vector_an_embedding_and_a_wrong_base_are_refused(llama, gpt2, low_rank):
    shift = make(gpt2, {"transformer.h.1.mlp.c_proj.bias": Shift(torch.ones(32))})
    with pytest.raises(UsageError, match="no low-rank change") as caught:
        adapted(gpt2, shift, rank=1)
    assert "export.gguf_control" in caught.value.fix
    size = llama.tensor("model.embed_tokens.weight").shape
    table = make(llama, {"model.embed_tokens.weight": LowRank(torch.ones(size[0], 1), torch.ones(1, size[1]))})
    with pytest.raises(UsageError, match="embedding"):
        adapted(llama, table)
    with pytest.raises(PatchMismatch):
        adapted(gpt2, low_rank(llama, ["mlp.gate"]))
    with pytest.raises(UsageError, match="rank 0"):
        adapted(llama, low_rank(llama, ["mlp.gate"]), rank=0)


def test_padding_changes_nothing(llama, low_rank):
    factors = adapted(llama, low_rank(llama, ["mlp.gate"]))[0].factors[0]
    wide = factors.padded(4)
    assert wide.rank == 4
    assert torch.equal(wide.left @ wide.right, factors.left @ factors.right)
