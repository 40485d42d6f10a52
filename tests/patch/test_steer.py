import pytest
import torch

from suture.errors import CorruptFile, NoEffect, UsageError
from suture.patch.delta import canonical
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer, likeness_of

H = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
UNIT = torch.nn.functional.normalize(torch.arange(1.0, 9.0), dim=0)


def test_adding_adds_the_vector_everywhere():
    assert torch.allclose(Steer(UNIT).moved(H, 2.5), (2.5 * UNIT).expand(2, 3, 8))


def test_turning_keeps_every_length():
    moved = H + Steer(UNIT, mode="turn").moved(H, 3.0)
    assert torch.allclose(moved.norm(dim=-1), H.norm(dim=-1), atol=1e-5)
    assert bool(((moved @ UNIT) / moved.norm(dim=-1) > (H @ UNIT) / H.norm(dim=-1)).all())


def test_projecting_takes_the_component_out_and_twice_is_once():
    term = Steer(UNIT, mode="project")
    once = H + term.moved(H, 1.0)
    assert float((once @ UNIT).abs().max()) < 1e-5
    assert torch.allclose(once + term.moved(once, 1.0), once, atol=1e-5)
    assert torch.allclose((H + term.moved(H, 0.5)) @ UNIT, 0.5 * (H @ UNIT), atol=1e-5)


def test_clamping_sets_the_component():
    clamped = H + Steer(UNIT, mode="clamp", level=1.5).moved(H, 1.0)
    assert torch.allclose(clamped @ UNIT, torch.full((2, 3), 1.5), atol=1e-5)


def test_each_row_may_have_its_own_amount():
    amount = torch.tensor([0.0, 2.0]).view(2, 1, 1)
    moved = Steer(UNIT).moved(H, amount)
    assert torch.equal(moved[0], torch.zeros(3, 8))
    assert torch.allclose(moved[1], (2 * UNIT).expand(3, 8))


def test_likeness_is_the_formula():
    mean, condition = H[:, 0], UNIT * 3
    cosine = (mean @ condition) / (mean.norm(dim=1) * condition.norm())
    assert torch.allclose(likeness_of(mean, condition, "cosine"), cosine)
    projected = torch.tanh(torch.outer(condition, condition) / condition.dot(condition) @ mean.T).T
    expected = torch.nn.functional.cosine_similarity(mean, projected, dim=1)
    assert torch.allclose(likeness_of(mean, condition, "cast"), expected, atol=1e-6)


def test_the_hash_knows_every_setting():
    plain = Steer(UNIT)
    others = [
        Steer(UNIT, mode="turn"), Steer(UNIT, positions="prompt"), Steer(UNIT, place="heads"),
        Steer(UNIT, UNIT, reads="x"), Steer(UNIT, scale=2.0), Steer(UNIT, mode="clamp", level=1.0),
    ]  # fmt: skip
    assert len({term.digest() for term in (plain, *others)}) == 7
    assert canonical([plain, *others]) == canonical([*others, plain])


@pytest.mark.parametrize(
    "term",
    [
        Steer(torch.ones(32), mode="eval"), Steer(torch.ones(32), positions="none"), Steer(torch.ones(32), place="here"),
        Steer(torch.ones(32), likeness="x"), Steer(torch.ones(32), level=float("nan")), Steer(torch.ones(32), reads="x"),
        Steer(torch.ones(32), torch.ones(32)), Steer(torch.ones(7)), Steer(torch.ones(32), mode="project"),
        Steer(torch.full((32,), torch.nan)), Steer(torch.ones(32), level="high"),
    ],
)  # fmt: skip
def test_what_is_no_steering_is_refused(term):
    with pytest.raises(CorruptFile):
        term.check((32, 32), "w")


def test_nothing_is_never_a_success(llama):
    name = "model.layers.1.self_attn.o_proj.weight"
    for term in (Steer(torch.zeros(32)), Steer(torch.ones(32), scale=0.0)):
        with pytest.raises(NoEffect):
            Patch.make(llama, {name: term}, method="steering", settings={})


def test_a_weight_can_not_hold_it(llama):
    name = "model.layers.1.self_attn.o_proj.weight"
    patch = Patch.make(llama, {name: Steer(torch.ones(32))}, method="steering", settings={})
    with pytest.raises(UsageError, match=r"attached\(lm\)"), patch.applied(llama):
        pass
    assert patch.steers
    assert patch.attachable(llama)
    assert patch.after == patch.before
