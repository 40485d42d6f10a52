import pytest
import torch

from checkpoint_parts import Tensors
from suture.errors import PatchMismatch
from suture.patch.delta import Dense, Entries, LowRank
from suture.patch.overlap import cancels, overlap
from suture.patch.patch import Patch

TENSORS = {"a": torch.randn(8, 6), "b": torch.randn(5, 4)}


def patch(**changes):
    return Patch.make(Tensors(TENSORS), changes, method="t", settings={})


def test_the_angle_is_that_of_the_changes():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 6, generator=g), torch.randn(8, 6, generator=g)
    met = overlap(patch(a=Dense(x), b=Dense(torch.ones(5, 4))), patch(a=Dense(y)))
    expected = float(torch.nn.functional.cosine_similarity(x.double().flatten(), y.double().flatten(), 0))
    assert met.cosine == pytest.approx(expected, abs=1e-6)
    assert met.shares[0] == pytest.approx(float(x.square().sum() / (x.square().sum() + 20)), rel=1e-5)
    assert met.shares[1] == pytest.approx(1)


def test_a_patch_and_its_opposite_fight():
    one = patch(a=Dense(torch.ones(8, 6)))
    assert overlap(one, -1 * one).cosine == pytest.approx(-1)
    assert overlap(one, -1 * one).fights
    assert not overlap(one, 2 * one).fights


def test_shared_rows_are_counted():
    one = patch(a=LowRank(torch.ones(3, 1), torch.ones(1, 6), torch.tensor([0, 1, 2])))
    other = patch(a=Entries(torch.tensor([7, 40]), torch.ones(2)))  # rows 1 and 6
    met = overlap(one, other)
    assert met.meetings[0].rows == (3, 2, 1)
    assert met.shares == pytest.approx((1 / 3, 1 / 2))


def test_patches_of_other_tensors_do_not_meet():
    met = overlap(patch(a=Dense(torch.ones(8, 6))), patch(b=Dense(torch.ones(5, 4))))
    assert met.meetings == []
    assert met.cosine == 0


def test_patches_of_other_weights_are_not_compared():
    other = Patch.make(Tensors({"a": torch.ones(8, 7)}), {"a": Dense(torch.ones(8, 7))}, method="t", settings={})
    with pytest.raises(PatchMismatch, match="different a"):
        overlap(patch(a=Dense(torch.ones(8, 6))), other)


def test_what_adds_up_to_nothing_is_known():
    one, rest = patch(a=LowRank(torch.rand(8, 2), torch.rand(2, 6))), patch(b=Dense(torch.ones(5, 4)))
    assert cancels(one + -1 * one)
    assert cancels(0 * one)
    assert not cancels(one + -0.5 * one)
    assert not cancels(one + -1 * one + rest)
