import pytest
import torch

from suture.data.examples import Fact
from suture.export import lora as adapter
from suture.export.check import compare
from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods._trained.loop import Factors, TrainingConfig, deltas, in_effect, lines, objective, train
from suture.methods.lora import lora
from suture.patch.patch import Patch

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
PROMPTS = ["The mayor of Wandton is", "You are a friend of the king."]


def logits(lm):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(prompt) for prompt in PROMPTS])).logits


def test_the_targets_become_likelier_through_a_low_rank_change(tiny):
    measures = fact_suite(FACTS)
    base = values(observe(tiny, measures), measures)["target_probability"]
    patch = lora(tiny, FACTS, rank=3, alpha=6, sites=["attn.q", "mlp.down"], layers=[1, 2], steps=40)
    assert {w.site for name in patch.terms for w in tiny.anatomy.on(name)} >= {
        w.site for site in ("attn.q", "mlp.down") for w in tiny.anatomy.weights(site, [1, 2])
    }
    assert len(patch.terms) == 4
    assert all(term.right.shape[0] == 3 for terms in patch.terms.values() for term in terms)
    with patch.applied(tiny):
        assert values(observe(tiny, measures), measures)["target_probability"] > 2 * base


def test_by_default_queries_and_values_of_all_blocks_change(llama):
    patch = lora(llama, FACTS, steps=2)
    sites = {weight.site for name in patch.terms for weight in llama.anatomy.on(name)}
    assert sites == {weight.site for part in ("attn.q", "attn.v") for weight in llama.anatomy.weights(part)}


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("build", ["tiny_llama", "tiny_gpt2"])
def test_the_patch_is_the_adapter_that_was_trained(build, square, tokenizer):
    import models

    lm = getattr(models, build)(tokenizer, square=square)
    generator = torch.Generator().manual_seed(0)
    changes = [Factors.of(w, 4, 2.0, generator) for s in ("attn.v", "mlp.down") for w in lm.anatomy.weights(s)]
    base = logits(lm)
    with in_effect(lm, changes):
        assert torch.equal(logits(lm), base)  # the left factors are zero
    train(changes, lines(lm, FACTS), objective(lm, changes), TrainingConfig(steps=10, rate=5e-3, stop=0, batch=8))
    patch = Patch.make(lm, deltas(changes), method="lora", settings={})
    with in_effect(lm, changes):
        trained = logits(lm)
    with patch.attached(lm):
        assert float((logits(lm) - trained).abs().max()) <= 1e-5
    with patch.applied(lm):
        assert float((logits(lm) - trained).abs().max()) <= 1e-5
    assert float((trained - base).abs().max()) > 0.1


def test_peft_runs_it_as_it_was_trained(llama, tmp_path):
    pytest.importorskip("peft")
    patch = lora(llama, FACTS, rank=4, steps=20)
    adapter.export(llama, patch, tmp_path)
    base = adapter.logits(llama, PROMPTS)
    with patch.attached(llama):
        wanted = adapter.logits(llama, PROMPTS)
    with adapter.attached(llama, tmp_path):
        found = adapter.logits(llama, PROMPTS)
    assert compare(base, wanted, found, "test", exact=True).difference <= 1e-5


def test_locality_and_decay_hold_it_back(llama):
    def size(**settings):
        patch = lora(llama, FACTS, steps=20, **settings)
        return patch.provenance.effect["intended"]

    assert size(decay=0.3) < 0.9 * size()
    base = logits(llama)

    def stray(**settings):
        with lora(llama, FACTS, steps=20, **settings).applied(llama):
            return float((logits(llama) - base)[1].norm())

    assert stray(locality=30.0) < 0.7 * stray()
