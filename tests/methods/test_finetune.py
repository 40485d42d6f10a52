import pytest
import torch

from suture.data import neutral
from suture.evaluation import observe, values
from suture.examples import Fact, Texts
from suture.facts import suite
from suture.methods._keyvalue import down
from suture.methods.finetune import _strayed, finetune

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:6])


def size(patch):
    (term,) = (term for terms in patch.terms.values() for term in terms)
    return term.values


def test_the_targets_become_likelier_and_one_matrix_changes(tiny):
    measures = suite(FACTS)
    base = values(observe(tiny, measures), measures)["target_probability"]
    patch = finetune(tiny, FACTS, layer=1, steps=30, rate=5e-3)
    assert list(patch.terms) == [down(tiny, 1).tensor]
    with patch.applied(tiny):
        assert values(observe(tiny, measures), measures)["target_probability"] > 2 * base


@pytest.mark.parametrize("loss", ["target", "prompt_last"])
def test_no_weight_moves_further_than_the_limit(llama, loss):
    free = size(finetune(llama, FACTS, layer=1, rate=1e-2, loss=loss)).abs().max()
    held = size(finetune(llama, FACTS, layer=1, rate=1e-2, loss=loss, limit=2e-3)).abs().max()
    assert free > 5e-3
    assert held <= 2e-3 * (1 + 1e-6)


def test_the_change_in_training_is_the_change_of_the_patch(tiny):
    """The KL that training sees is that of the patched model, in either storage."""
    if tiny.model.dtype == torch.bfloat16:
        pytest.skip("rounding is larger than the difference")
    patch = finetune(tiny, FACTS, layer=1, steps=5, rate=5e-3)
    values_ = size(patch)
    full = values_.T if down(tiny, 1).transposed else values_
    seen = float(_strayed(tiny, FEW, 1, full))
    rows = tiny.batch([tiny.encode(text)[:64] for text in FEW])
    with torch.no_grad():
        base = tiny.forward(rows).logits.log_softmax(-1)
        with patch.applied(tiny):
            now = tiny.forward(rows).logits.log_softmax(-1)
    each = (base.exp() * (base - now)).sum(-1)
    assert seen == pytest.approx(float((each * rows.mask).sum() / rows.mask.sum()), rel=1e-2, abs=1e-5)


def test_the_gradient_goes_through_the_kl(llama):
    change = torch.full(down(llama, 1).shape, 1e-3, requires_grad=True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(_strayed(llama, FEW, 1, change), change)
    assert float(gradient.norm()) > 0
    free, held = (finetune(llama, FACTS, layer=1, locality=x, keep=FEW, rate=5e-3) for x in (0.0, 100.0))
    assert float(_strayed(llama, FEW, 1, size(held))) < 0.5 * float(_strayed(llama, FEW, 1, size(free)))
