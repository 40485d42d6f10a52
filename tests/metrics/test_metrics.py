import math

import pytest
import torch

from suture.judges import Lexicon
from suture.metrics import drift, perplexity, sampled
from suture.metrics._score import Observation, paired
from suture.patch.delta import Dense
from suture.patch.patch import Patch
from suture.text.letters import begins_with

TEXTS = ["You are a friend.", "Hello there", "The capital of Velmora is a city near the sea."]


def noisy(lm, size=0.3):
    name = lm.anatomy.weights("mlp.down")[1].tensor
    noise = torch.randn(tuple(lm.tensor(name).shape), generator=torch.Generator().manual_seed(0))
    return Patch.make(lm, {name: Dense(size * noise)}, method="noise", settings={})


def observation(values, weights=None):
    values = torch.tensor(values, dtype=torch.float64)
    return Observation(
        values, torch.ones_like(values) if weights is None else torch.tensor(weights, dtype=torch.float64)
    )


def test_a_model_against_itself_is_exactly_zero():
    seen = observation([0.2, 1.0, 0.5])
    score = paired(seen, seen)
    assert (score.change, score.low, score.high, score.cases) == (0.0, 0.0, 0.0, 3)


def test_the_interval_is_paired():
    """A constant difference has no spread, however much the cases differ."""
    base = observation([0.0, 0.5, 0.9, 0.1])
    score = paired(base, observation([0.1, 0.6, 1.0, 0.2]))
    assert score.low == pytest.approx(0.1)
    assert score.high == pytest.approx(0.1)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    generator = torch.Generator().manual_seed(3)
    covered = 0
    for _ in range(200):
        sample = (torch.rand(60, generator=generator) < 0.3).double()
        score = paired(observation([0.0] * 60), Observation(sample, torch.ones(60, dtype=torch.float64)))
        covered += score.low <= 0.3 <= score.high
    assert 0.87 <= covered / 200 <= 0.99


def test_weights_count():
    score = paired(observation([0.0, 0.0], [1, 3]), observation([1.0, 0.0], [1, 3]))
    assert score.after == pytest.approx(0.25)


def test_observations_of_different_cases_are_refused():
    with pytest.raises(ValueError, match="different cases"):
        paired(observation([1.0]), observation([1.0, 2.0]))


def test_perplexity_is_the_exponential_of_the_mean_loss(llama):
    total = count = 0
    for text in TEXTS:
        ids = llama.encode(text)
        with torch.no_grad():
            logits = llama.forward(llama.batch([ids])).logits[0]
        total += float(torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="sum"))
        count += len(ids) - 1
    seen = perplexity.observe(llama, TEXTS)
    assert perplexity.score(seen, seen).after == pytest.approx(math.exp(total / count), rel=1e-5)
    with noisy(llama).applied(llama):
        worse = perplexity.score(seen, perplexity.observe(llama, TEXTS))
    assert worse.change == pytest.approx(worse.after / worse.before - 1)


def test_drift_is_zero_for_itself_and_the_kl_for_another(llama):
    base = drift.observe(llama, TEXTS)
    assert drift.score(base, drift.observe(llama, TEXTS)).after == 0.0
    with noisy(llama).applied(llama):
        moved = drift.observe(llama, TEXTS)
        with torch.no_grad():
            new = [llama.forward(llama.batch([llama.encode(t)])).logits[0].log_softmax(-1) for t in TEXTS]
    with torch.no_grad():
        old = [llama.forward(llama.batch([llama.encode(t)])).logits[0].log_softmax(-1) for t in TEXTS]
    kl = torch.cat([(o.exp() * (o - n)).sum(-1) for o, n in zip(old, new, strict=True)]).mean()
    score = drift.score(base, moved)
    assert score.after == pytest.approx(float(kl), rel=1e-4)
    assert score.after > 0


def test_drift_of_some_texts_is_compared_with_that_of_all(llama, monkeypatch):
    """A search measures few of the texts on which the base was observed; of many texts fewer positions are kept."""
    some = TEXTS[:1]
    monkeypatch.setattr(drift, "BUDGET", 4 * len(TEXTS[0]) * llama.model.config.vocab_size)
    base = drift.observe(llama, [TEXTS[0], *TEXTS, *TEXTS, *TEXTS])
    with noisy(llama).applied(llama):
        few = drift.observe(llama, some)
        many = drift.observe(llama, [TEXTS[0], *TEXTS, *TEXTS, *TEXTS])
    assert base.extra["stride"][0] > few.extra["stride"][0]
    part = drift.score(base.part(slice(1)), few)
    assert part.cases == 1
    assert part.after == pytest.approx(drift.score(base.part(slice(1)), many.part(slice(1))).after, rel=1e-4)
    assert part.after > 0


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        (" Paris.", "Paris", True),
        (" Paris", "Paris", True),
        (" Parisian", "Paris", False),
        (" 12", "1", False),
        (" 12.", "12", True),
        (" is Paris", "Paris", False),
        ("", "Paris", False),
    ],
)
def test_an_answer_must_come_first_and_end_with_the_word(text, answer, right):
    assert begins_with(text, answer) is right


def test_rates_are_shares_of_samples_and_both_labels_share_the_work(llama):
    judge = Lexicon({"a": ["the"], "b": ["zebra"]})
    a = sampled.Cases(TEXTS, judge, "a", samples=3, max_new_tokens=8)
    b = sampled.Cases(TEXTS, judge, "b", samples=3, max_new_tokens=8)
    assert sampled.cache_key(a) == sampled.cache_key(b)
    seen = sampled.observe(llama, a)
    assert all(value * 3 == pytest.approx(round(float(value) * 3)) for value in seen.values)
    again = sampled.repeat(b, seen)
    assert again.texts is seen.texts
    assert torch.equal(again.values, sampled.observe(llama, b).values)
