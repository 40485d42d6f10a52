import pytest
import torch

from models import snapshot
from suture.data.examples import Texts
from suture.errors import UsageError
from suture.locate._row_slopes import SignedText
from suture.locate.effect_rows import _totals, effect_rows, effect_scores
from suture.locate.probe import fit_probe, whitened_probe
from suture.methods.surgery import surgery
from suture.model.arch.anatomy import Site
from suture.model.run.contrasts import _halves, contrasts

KEEP = Texts(["The capital of Velmora is a city near the sea.", "On Monday it rained.", "3 + 4 = 7."])


def log_likelihood(lm, ids, start):
    with torch.no_grad():
        logits = lm.forward(lm.batch([ids])).logits[0, :-1].double().log_softmax(-1)
    scores = logits.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    return float(scores[start - 1 :].sum())


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_gain_is_the_derivative_of_the_log_likelihood(family, request, behaviour):
    """Against a small edit of one row. The step is not tiny: norms are computed in float32 whatever the model is."""
    lm = request.getfixturevalue(family)
    lm.model.double()
    probe = fit_probe(lm, behaviour)
    ids, start = lm.encode("You are a stupid fool, go away now."), 3
    direction = {1: probe.direction(1)[:, None]}
    weight = lm.anatomy.weight(Site(1, lm.anatomy.first))
    (found,) = _totals(lm, [weight], direction, [SignedText(ids, start, 1.0)])[weight.site]
    for row in (0, 7, 31):
        vector = weight.stored.data[:, row] if weight.transposed else weight.stored.data[row]
        step = 1e-2 * probe.direction(1).double()
        vector += step
        up = log_likelihood(lm, ids, start)
        vector -= 2 * step
        down = log_likelihood(lm, ids, start)
        vector += step
        assert float(found[row]) == pytest.approx((up - down) / 2e-2, rel=1e-2, abs=1e-4)


def test_the_chosen_rows_gain_more_than_others(llama, behaviour):
    """Edited a little, they raise wanted against unwanted continuations more than as many random rows."""
    import random

    probe = fit_probe(llama, behaviour)
    pairs = contrasts(llama, behaviour, random.Random(0))

    def preference():
        wanted, unwanted = (sum(log_likelihood(llama, ids, at) for ids, at in side) for side in pairs)
        return wanted - unwanted

    region = effect_rows(llama, probe, behaviour, keep=KEEP, rows=15)
    chosen = surgery(llama, behaviour, probe=probe, region=region, strength=0.1)
    chance = surgery(llama, behaviour, probe=probe, rows=15, control="random_rows", strength=0.1)
    base = preference()
    with chosen.applied(llama):
        moved = preference() - base
    with chance.applied(llama):
        by_chance = preference() - base
    assert moved > 0
    assert moved > 2 * by_chance


def test_it_leaves_the_model_alone_and_repeats_itself(tiny, behaviour):
    probe, before = fit_probe(tiny, behaviour), snapshot(tiny)
    first, again = (effect_rows(tiny, probe, behaviour, rows=9, seed=2) for _ in range(2))
    assert snapshot(tiny) == before
    assert first.count == 9
    assert all(torch.equal(first.rows[s], again.rows[s]) for s in first.rows)


def test_several_probes_at_once_score_as_each_alone(tiny, behaviour):
    probes = [fit_probe(tiny, behaviour, space=space) for space in ("mlp.in", "residual")]
    together = effect_scores(tiny, probes, behaviour, keep=KEEP)
    for probe, found in zip(probes, together, strict=True):
        (alone,) = effect_scores(tiny, [probe], behaviour, keep=KEEP)
        assert found.keys() == alone.keys()
        for site, scores in found.items():
            torch.testing.assert_close(scores, alone[site], rtol=1e-4, atol=1e-5)


def test_a_quiet_direction_says_less_about_texts_to_keep(llama, behaviour):
    from suture.model.arch.anatomy import Site as At
    from suture.model.run.tracing import trace

    probe = fit_probe(llama, behaviour)
    quiet = whitened_probe(llama, probe, KEEP)
    for layer in range(3):
        site = At(layer, "mlp.in")
        loud_sum = quiet_sum = 0.0
        for text in KEEP:
            with trace(llama, [site]) as seen, torch.no_grad():
                llama.forward(llama.batch([llama.encode(text)]))
            states = seen[site][0, 1:]
            loud_sum += float((states @ probe.direction(layer)).square().sum())
            quiet_sum += float((states @ quiet.direction(layer)).square().sum())
        assert quiet_sum < 0.5 * loud_sum
        assert quiet.direction(layer).norm() == pytest.approx(float(probe.direction(layer).norm()), rel=1e-5)
        assert float(quiet.direction(layer) @ probe.direction(layer)) > 0


def test_a_probe_of_the_final_state_becomes_one_a_block(llama, behaviour):
    quiet = whitened_probe(llama, fit_probe(llama, behaviour, space="final"), KEEP)
    assert (quiet.space, quiet.layers, len(quiet.scores)) == ("mlp.in", [0, 1, 2], 3)


def test_texts_are_cut_at_a_sentence_near_the_middle():
    assert _halves("One two. Three four. Five six.") == ("One two. Three four.", "Five six.") or _halves(
        "One two. Three four. Five six."
    ) == ("One two.", "Three four. Five six.")
    start, rest = _halves("no full stop in this text")
    assert f"{start} {rest}" == "no full stop in this text"


def test_an_impossible_number_is_refused(llama, behaviour):
    with pytest.raises(UsageError, match="can not choose"):
        effect_rows(llama, fit_probe(llama, behaviour), behaviour, rows=9999)
