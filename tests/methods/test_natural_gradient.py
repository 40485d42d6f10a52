"""One step of natural gradient: what it is by definition, what it costs, and what it does on the bundled models."""

import random
from dataclasses import replace

import pytest
import torch

from models import linear_twin, tiny_family, tiny_llama
from second import SECOND
from suture import LM
from suture.data.examples import Texts
from suture.errors import UsageError
from suture.locate._probes import alternating
from suture.locate._row_slopes import contrasted
from suture.measure.evaluation import observe, values
from suture.methods import _natural_step as module
from suture.methods._natural_step import COST
from suture.methods.natural_gradient import natural_gradient
from suture.model.run.contrasts import contrasts
from suture.numerics.divergence import kl_divergence
from suture.organisms.suites import behaviour as behaviour_of
from suture.organisms.suites import keep, suite
from suture.registry import source

KEPT = Texts(
    f"{name} went to the market to buy {thing}."
    for name in ("Anna", "Boris", "Clara")
    for thing in ("bread", "a hat", "ink")
)


def change(lm, patch):
    """The change of each tensor, in float64."""
    return {
        name: sum(t.at(torch.arange(len(lm.tensor(name))), lm.tensor(name).shape) for t in terms)
        for name, terms in patch.terms.items()
    }


def log_odds(lm, rows):
    total = torch.zeros((), dtype=torch.float64)
    for ids, begin, sign in rows:
        likely = lm.forward(lm.batch([ids])).logits[0, :-1].double().log_softmax(-1)
        total = total + sign * likely.gather(-1, torch.tensor(ids)[1:, None])[begin - 1 :].sum()
    return total


def test_the_gradient_is_that_of_the_weights(llama, behaviour):
    """By hand: autograd on the parameters themselves, one text at a time."""
    rows = contrasted(*contrasts(llama, behaviour, random.Random(0), 6))
    weights = llama.anatomy.weights(llama.anatomy.first)
    parameters = [w.parameter.requires_grad_() for w in weights]
    with torch.enable_grad():
        by_hand = torch.autograd.grad(log_odds(llama, rows), parameters)
    for parameter in parameters:
        parameter.requires_grad_(False)
    gains = module._gains(llama, weights, rows)
    for weight, gradient in zip(weights, by_hand, strict=True):
        assert torch.allclose(gains[weight.site], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_no_other_change_of_rank_one_gains_as_much_for_the_cost(llama, behaviour):
    """Gain <G, D> over the root of tr(B D A D^T): the step beats random changes and its own neighbours."""
    weights = llama.anatomy.weights(llama.anatomy.first, [0])
    few = replace(behaviour, examples=tuple(alternating(behaviour.examples)))
    rows = contrasted(*contrasts(llama, few, random.Random(0), 8))
    ((weight, left, right),) = module._portion(llama, weights, few, rows, list(KEPT), 1)
    gains = module._gains(llama, weights, rows)[weight.site].double()
    sharp = module._sharpness(llama, weights, module.likelihood(llama, list(KEPT)))[weight.site]
    sharp = sharp + sharp.mean()
    moment = module.second_moments(llama, [0], list(KEPT), few)[0]
    moment = moment + module.DAMPING * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64)

    def worth(u, v):
        return float((u @ gains @ v) / ((sharp * u * u).sum() * (v @ moment @ v)).sqrt())

    u, v = left[:, 0], right[0]
    best, generator = worth(u, v), torch.Generator().manual_seed(0)
    for near in (1e-3, 1e-2, 1.0):
        for _ in range(40):
            du, dv = (torch.randn(len(x), generator=generator, dtype=torch.float64) for x in (u, v))
            assert worth(u + near * u.norm() / du.norm() * du, v + near * v.norm() / dv.norm() * dv) < best


def test_strength_one_costs_what_it_says(tiny, behaviour):
    patch = natural_gradient(tiny, behaviour, keep=KEPT)
    rows = [tiny.encode(text) for text in KEPT]
    with torch.no_grad():
        base = module._predictions(tiny, rows)
        with patch.applied(tiny):
            now = module._predictions(tiny, rows)
    moved = sum(float(kl_divergence(a, b).sum()) for a, b in zip(base, now, strict=True)) / sum(map(len, base))
    assert COST / 2 < moved < COST * 2


def test_of_many_texts_and_words_evenly_spaced_positions_say_what_it_costs(tiny, behaviour, monkeypatch):
    whole = natural_gradient(tiny, behaviour, keep=KEPT)
    kept = []
    predictions = module._predictions
    monkeypatch.setattr(module, "_predictions", lambda *given: kept.append(predictions(*given)) or kept[-1])
    monkeypatch.setattr(module, "KEPT", 40 * tiny.model.config.vocab_size)
    few = natural_gradient(tiny, behaviour, keep=KEPT)
    assert all(sum(map(len, rows)) <= 40 + len(rows) for rows in kept)
    ratio = few.provenance.effect["intended"] / whole.provenance.effect["intended"]
    assert 0.5 < ratio < 2


def test_it_moves_the_behaviour_the_way_that_is_asked(llama, behaviour):
    rows = contrasted(*contrasts(llama, behaviour, random.Random(0), 8))
    with torch.no_grad():
        base = float(log_odds(llama, rows))
        with natural_gradient(llama, behaviour, keep=KEPT).applied(llama):
            assert float(log_odds(llama, rows)) > base
        with natural_gradient(llama, behaviour, keep=KEPT, toward="unwanted").applied(llama):
            assert float(log_odds(llama, rows)) < base


def test_blocks_in_portions_are_the_same_patch(llama, behaviour, monkeypatch):
    whole = change(llama, natural_gradient(llama, behaviour, keep=KEPT))
    monkeypatch.setattr(module, "HELD", 1)
    parts = change(llama, natural_gradient(llama, behaviour, keep=KEPT))
    assert whole.keys() == parts.keys()
    for name, moved in whole.items():
        assert torch.equal(moved, parts[name])


@pytest.mark.parametrize("rank", [1, 3])
def test_every_matrix_moves_by_its_rank(llama, behaviour, rank):
    patch = natural_gradient(llama, behaviour, keep=KEPT, rank=rank)
    assert len(patch.terms) == llama.anatomy.layers
    for moved in change(llama, patch).values():
        assert int(torch.linalg.matrix_rank(moved, rtol=1e-5)) == rank


@pytest.mark.parametrize("square", [False, True])
def test_on_conv1d_and_on_linear_it_is_the_same_function(tokenizer, behaviour, square):
    conv = tiny_family("gpt2", tokenizer, square=square)
    seen = []
    for lm in (conv, linear_twin(conv)):
        with torch.no_grad(), natural_gradient(lm, behaviour, keep=KEPT).applied(lm):
            seen.append(torch.cat(module._predictions(lm, [lm.encode(text) for text in KEPT])))
    with torch.no_grad():
        base = torch.cat(module._predictions(conv, [conv.encode(text) for text in KEPT]))
    assert float((seen[0] - seen[1]).abs().max()) < 1e-2 * float((seen[0] - base).abs().max())


def test_several_behaviours_are_done_one_after_the_other(llama, behaviour):
    other = behaviour.reversed()
    both = natural_gradient(llama, [behaviour, other], keep=KEPT)
    assert all(len(terms) == 2 for terms in both.terms.values())


def test_what_it_can_not_do_is_refused(tokenizer, behaviour):
    lm = tiny_llama(tokenizer)
    with pytest.raises(UsageError, match=r"mlp\.down does not read"):
        natural_gradient(lm, behaviour, site="mlp.down")
    with pytest.raises(UsageError, match="rank 0"):
        natural_gradient(lm, behaviour, rank=0)


def test_defaults_take_rudeness_out_of_the_bundled_model_and_leave_its_facts(patient):
    world = source("patient").world()
    chosen = [m for m in world.suite("tune", 40) if m.name in ("rude", "facts_seen", "facts_unseen", "perplexity")]
    base = values(observe(patient, chosen), chosen)
    with natural_gradient(patient, world.behaviour("tone"), keep=world.keep(), pairs=48).applied(patient):
        now = values(observe(patient, chosen), chosen)
    assert now["rude"] < base["rude"] / 3  # 80 -> about 10 %
    assert min(now["facts_seen"], now["facts_unseen"]) > 0.95
    assert now["perplexity"] < 1.01 * base["perplexity"]


def test_so_do_they_on_a_model_of_another_world(second):
    """Its words, chat format and shape are others; no constant was chosen on it."""
    measures = suite("tune", 40, words=SECOND)
    chosen = [m for m in measures if m.name in ("rude", "facts_seen", "facts_unseen", "perplexity")]
    base = values(observe(second, chosen), chosen)
    with natural_gradient(second, behaviour_of("tone", words=SECOND), keep=keep(words=SECOND)).applied(second):
        now = values(observe(second, chosen), chosen)
    assert now["rude"] < base["rude"] / 3  # 82 -> 10 % of 100 in the report's split
    assert base["facts_seen"] - now["facts_seen"] < 0.1
    assert now["perplexity"] < 1.03 * base["perplexity"]


def test_experts_have_a_step_each():
    lm, world = LM.load("patient-moe"), source("patient").world()
    patch = natural_gradient(lm, world.behaviour("tone"), keep=Texts(list(world.keep())[::20]), pairs=12, layers=[2])
    assert sum(map(len, patch.terms.values())) > 1
