import pytest
import torch

from models import tiny_family
from suture.locate.perturbation import perturbed
from suture.locate.safety_impact import safety_impact
from suture.model.arch.anatomy import Site


def test_noise_lies_on_the_mask_alone_and_is_as_strong_as_told(llama, behaviour):
    mask = safety_impact(llama, behaviour, share=0.1, control="random")
    patch = perturbed(llama, mask, strength=0.5, seed=1)
    for name, (term,) in patch.terms.items():
        assert torch.equal(term.index, mask.entries[name])
        sigma = float(llama.tensor(name).std())
        assert float(term.values.std()) == pytest.approx(0.5 * sigma, rel=0.25)
    assert perturbed(llama, mask, seed=1).terms.keys() == patch.terms.keys()


def test_an_experts_noise_follows_its_own_sigma(tokenizer, behaviour):
    lm = tiny_family("gpt_oss", tokenizer)
    with torch.no_grad():
        lm.anatomy.weight(Site(0, "mlp.up", 1)).matrix().mul_(20)
    mask = safety_impact(lm, behaviour, share=0.3, control="random")
    patch = perturbed(lm, mask, strength=1.0)
    for part, expert in (("mlp.gate", 1), ("mlp.up", 1), ("mlp.up", 0)):
        weight = lm.anatomy.weight(Site(0, part, expert))
        (term,) = patch.terms[weight.tensor]
        own = term.values[weight.holds(term.index)]
        assert float(own.std()) == pytest.approx(float(weight.matrix().std()), rel=0.2), part


def test_the_same_seed_gives_the_same_noise(llama, behaviour):
    mask = safety_impact(llama, behaviour, control="random")
    first, again, other = (perturbed(llama, mask, seed=seed) for seed in (1, 1, 2))
    name = next(iter(first.terms))
    assert torch.equal(first.terms[name][0].values, again.terms[name][0].values)
    assert not torch.equal(first.terms[name][0].values, other.terms[name][0].values)
