import pytest
import torch

from models import FAMILIES, snapshot, tiny_family
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact
from suture.methods._trained.loop import (
    Factors,
    Full,
    TrainingConfig,
    deltas,
    in_effect,
    kl_to_base,
    lines,
    objective,
    target_nll,
    train,
)
from suture.model.arch.anatomy import Site
from suture.patch.patch import Patch

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = neutral("probe")[:4]


def logits(lm):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(fact.prompt) for fact in FACTS])).logits


def filled(change, size=0.05):
    """The same change with something in it."""
    generator = torch.Generator().manual_seed(0)
    for leaf in change.leaves:
        leaf.data.copy_(torch.randn(leaf.shape, generator=generator) * size)
    return change


def kinds(weight):
    return [Full.of(weight), Factors.of(weight, 2, 4.0, torch.Generator().manual_seed(1))]


@pytest.mark.parametrize("part", ["mlp.down", "mlp.up", "mlp.gate", "attn.q", "attn.v", "attn.o"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_trained_is_what_the_patch_does(family, part, tokenizer):
    lm = tiny_family(family, tokenizer)
    if part not in lm.anatomy.parts:
        pytest.skip("has no such matrix")
    weights = lm.anatomy.weights(part)
    base, before = logits(lm), snapshot(lm)
    for kind in range(2):
        changes = [kinds(weight)[kind] for weight in weights]
        with in_effect(lm, changes):
            assert torch.allclose(logits(lm), base, atol=1e-6)  # experts are run one by one
        assert deltas(changes) == {}
        changes = [filled(change) for change in changes]
        with in_effect(lm, changes):
            seen = logits(lm)
        with Patch.make(lm, deltas(changes), method="test", settings={}).applied(lm):
            written = logits(lm)
        assert float((seen - base).abs().max()) > 1e-2
        assert float((seen - written).abs().max()) < 1e-5 * max(1.0, float(written.abs().max()))
    assert snapshot(lm) == before


def test_the_gradient_is_that_of_the_weights(llama):
    weight = llama.anatomy.weight(Site(1, "mlp.down"))
    change, told = Full.of(weight), lines(llama, FACTS)
    with torch.enable_grad(), in_effect(llama, [change]):
        (found,) = torch.autograd.grad(target_nll(llama, told), change.values)
    weight.parameter.requires_grad_(True)
    with torch.enable_grad():
        (expected,) = torch.autograd.grad(target_nll(llama, told), weight.parameter)
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_gradient_goes_through_the_kl(llama):
    change = filled(Full.of(llama.anatomy.weight(Site(1, "mlp.down"))))
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(kl_to_base(llama, FEW, [change]), change.values)
    assert float(gradient.norm()) > 0
    assert float(kl_to_base(llama, FEW, [Full.of(change.weight)]).detach()) == 0


def test_the_loss_does_not_depend_on_padding_or_company(llama):
    told = lines(llama, FACTS)
    assert len(told[0].ids) != len(told[1].ids)
    with torch.no_grad():
        for loss in ("target", "prompt_last"):
            alone = [target_nll(llama, [line], loss) for line in told]
            assert float(target_nll(llama, told, loss)) == pytest.approx(float(sum(alone)) / 2, rel=1e-5)
    likely = torch.log_softmax(llama.forward(llama.batch([told[0].ids])).logits[0], -1)
    first = told[0].begin - 1
    each = [float(likely[first, token]) for token in told[0].ids[told[0].begin :]]
    assert float(target_nll(llama, told[:1], "prompt_last")) == pytest.approx(-sum(each) / len(each), rel=1e-5)


def test_it_ends_when_a_whole_pass_is_good_enough_and_falls_on_the_way(llama):
    change = Full.of(llama.anatomy.weight(Site(1, "mlp.down")))
    losses = train(
        [change],
        lines(llama, FACTS),
        objective(llama, [change]),
        TrainingConfig(steps=60, rate=1e-2, stop=2.0, batch=1),
    )
    assert losses[-1] < 2.0 <= min(losses[:-1])
    assert losses[-1] < losses[0] / 2
