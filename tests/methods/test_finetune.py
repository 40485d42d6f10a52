import pytest
import torch

from models import tiny_family
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.errors import NoEffect
from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods._facts.keyvalue import down
from suture.methods._trained.loop import Full, kl_to_base
from suture.methods.finetune import finetune

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:6])


def made(patch):
    (term,) = (term for terms in patch.terms.values() for term in terms)
    return term.values


def moved(lm, patch):
    """How far the patched model strays on the texts, as training sees it."""
    weight = down(lm, 1)
    change = Full.of(weight)
    change.values.data.copy_(made(patch).T if weight.transposed else made(patch))
    return float(kl_to_base(lm, FEW, [change]).detach())


def test_the_targets_become_likelier_and_one_matrix_changes(tiny):
    measures = fact_suite(FACTS)
    base = values(observe(tiny, measures), measures)["target_probability"]
    patch = finetune(tiny, FACTS, layer=1, steps=30, rate=5e-3)
    assert list(patch.terms) == [down(tiny, 1).tensor]
    with patch.applied(tiny):
        assert values(observe(tiny, measures), measures)["target_probability"] > 2 * base


@pytest.mark.parametrize("loss", ["target", "prompt_last"])
def test_no_weight_moves_further_than_the_limit(llama, loss):
    free = made(finetune(llama, FACTS, layer=1, rate=1e-2, loss=loss)).abs().max()
    held = made(finetune(llama, FACTS, layer=1, rate=1e-2, loss=loss, limit=2e-3)).abs().max()
    assert free > 5e-3
    assert held <= 2e-3 * (1 + 1e-6)


def test_decay_keeps_the_change_smaller(llama):
    sizes = [float(made(finetune(llama, FACTS, layer=1, rate=5e-3, decay=decay)).norm()) for decay in (0.0, 0.1)]
    assert sizes[1] < 0.9 * sizes[0]


def test_the_change_in_training_is_the_change_of_the_patch(tiny):
    """The KL that training sees is that of the patched model, in either storage."""
    if tiny.model.dtype == torch.bfloat16:
        pytest.skip("rounding is larger than the difference")
    patch = finetune(tiny, FACTS, layer=1, steps=5, rate=5e-3)
    rows = tiny.batch([tiny.encode(text)[:64] for text in FEW])
    with torch.no_grad():
        base = tiny.forward(rows).logits.log_softmax(-1)
        with patch.applied(tiny):
            now = tiny.forward(rows).logits.log_softmax(-1)
    each = (base.exp() * (base - now)).sum(-1)
    expected = float((each * rows.mask).sum() / rows.mask.sum())
    assert moved(tiny, patch) == pytest.approx(expected, rel=1e-2, abs=1e-5)


def test_a_heavy_kl_keeps_the_model_where_it_is(llama):
    strays = [
        moved(llama, finetune(llama, FACTS, layer=1, locality=x, keep=FEW, rate=5e-3)) for x in (0.0, 10.0, 1000.0)
    ]
    assert strays[0] > 2 * strays[1] > 4 * strays[2]


@pytest.mark.parametrize("family", ["phi3", "mixtral", "gpt_oss", "gemma3_text", "gpt_neox"])
@pytest.mark.parametrize("site", ["mlp.down", "mlp.up"])
def test_any_matrix_of_any_architecture_can_be_trained(family, site, tokenizer):
    """Fused, transposed and expert matrices: what is trained is what the patch changes."""
    lm, measures = tiny_family(family, tokenizer), fact_suite(FACTS)
    base = values(observe(lm, measures), measures)["target_probability"]
    patch = finetune(lm, FACTS, layer=1, site=site, steps=20, rate=2e-2)
    assert {w.site.part for name in patch.terms for w in lm.anatomy.on(name)} >= {site}
    with patch.applied(lm):
        assert values(observe(lm, measures), measures)["target_probability"] > 1.5 * base


def test_training_for_no_step_is_no_edit(llama):
    with pytest.raises(NoEffect):
        finetune(llama, FACTS, steps=0)
