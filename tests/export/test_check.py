import pytest
import torch

from models import snapshot, tiny_family
from suture.errors import NoEffect, VerificationFailed
from suture.export.check import PROMPTS, TOLERANCES, compare, logits, unmerged
from suture.model.arch.anatomy import Anatomy
from suture.model.lm import LM, checkpoint_forms


def test_a_difference_is_judged_by_the_largest_logit():
    base, wanted = [torch.zeros(2, 3)], [torch.full((2, 3), 50.0)]
    near, far = [wanted[0] + 4e-4], [wanted[0] + 6e-4]
    assert compare(base, wanted, near, "").demand("it").tokens == 2
    seen = compare(base, wanted, far, "")
    assert (seen.effect, seen.logit) == (50.0, 50.0)
    assert not seen.passed
    with pytest.raises(VerificationFailed):
        seen.demand("it")
    assert compare(base, wanted, far, "", exact=False).demand("it").difference == pytest.approx(6e-4, rel=1e-2)


def test_a_check_that_shows_nothing_is_no_success():
    same = [torch.ones(2, 3)]
    with pytest.raises(NoEffect, match="checked"):
        compare(same, same, same, "").demand("it")


def test_a_coarser_type_allows_more():
    types = sorted(TOLERANCES, key=lambda dtype: torch.finfo(dtype).eps)
    assert [TOLERANCES[dtype] for dtype in types] == sorted(TOLERANCES.values())
    assert all(TOLERANCES[dtype] < 100 * torch.finfo(dtype).eps for dtype in (torch.float32, torch.bfloat16))


def test_experts_are_merged_without_rounding_and_restored(tokenizer, low_rank):
    """bf16 on disk and computed in float32: `applied` rounds, `unmerged` does not, and both leave every bit."""
    model = tiny_family("mixtral", tokenizer).model.bfloat16().float()
    names = Anatomy(model, checkpoint_forms(model)).stored()
    lm = LM(model, tokenizer, dtypes=dict.fromkeys(names, torch.bfloat16))
    patch = low_rank(lm, ["mlp.gate"], size=1e-2)
    name = next(iter(patch.terms))
    before, old = snapshot(lm), lm.tensor(name).clone()
    with unmerged(lm, patch) as how:
        assert "merged" in how
        (term,) = patch.terms[name]
        expected = term.at(torch.arange(old.shape[0]), tuple(old.shape))
        assert torch.allclose(lm.tensor(name).double() - old.double(), expected, atol=1e-7)
    assert snapshot(lm) == before
    with patch.applied(lm):
        assert not torch.allclose(lm.tensor(name).double() - old.double(), expected, atol=1e-7)


def test_logits_are_of_every_position(llama):
    found = logits(llama, PROMPTS)
    assert [len(a) for a in found] == [len(llama.encode(prompt)) for prompt in PROMPTS]


def test_a_logit_that_is_nan_in_one_of_them_is_no_equal_logit():
    """Whichever of the prompts it is in: the largest of several numbers is no NaN in Python."""
    base, wanted = [torch.zeros(2, 3)] * 2, [torch.ones(2, 3)] * 2
    for broken in (0, 1):
        found = [row.clone() for row in wanted]
        found[broken][1, 1] = float("nan")
        assert not compare(base, wanted, found, "").passed
