"""Noise: what is computed from the base alone is what repeated sampling shows."""

import torch

from suture.judges import Refusal
from suture.measure.budget import Budget
from suture.measure.suite import Measure
from suture.metrics._score import Observation
from suture.metrics.completion import Cases as Completions
from suture.metrics.sampled import Cases
from suture.search.noise import QUANTILE, excess, noise_of


def measure(count, samples, temperature=1.0, metric="sampled"):
    if metric == "completion":
        return Measure("facts", "completion", Completions(["a"] * count, ["b"] * count), "keep", "higher", "facts")
    cases = Cases(["a"] * count, Refusal(), "complied", samples=samples, temperature=temperature)
    return Measure("talk", "sampled", cases, "keep", "higher", "talk")


def observed(shares, samples):
    values = torch.as_tensor(shares, dtype=torch.float64)
    return Observation(values, torch.full_like(values, samples))


def drawn(chances, samples, generator):
    return torch.stack([torch.bernoulli(chances, generator=generator) for _ in range(samples)]).mean(0)


def test_a_sampled_measure_differs_from_itself_by_as_much_as_is_said():
    generator = torch.Generator().manual_seed(1)
    chances = torch.rand(80, dtype=torch.float64, generator=generator)
    said = [noise_of({"talk": observed(drawn(chances, 2, generator), 2)}, [measure(80, 2)])["talk"] for _ in range(200)]
    changes = torch.stack([(drawn(chances, 2, generator) - drawn(chances, 2, generator)).mean() for _ in range(4000)])
    seen = QUANTILE * float(changes.std())
    assert abs(sum(said) / len(said) / seen - 1) < 0.05


def test_one_sample_a_prompt_and_greedy_texts_have_a_bound():
    half = observed([0.0, 1.0] * 50, 1)
    sampled, greedy = (noise_of({"talk": half}, [measure(100, 1, t)])["talk"] for t in (1.0, 0.0))
    assert abs(greedy - QUANTILE * 0.05) < 1e-4
    assert abs(sampled / greedy - 2**0.5) < 1e-9


def test_no_share_is_known_to_be_all_or_none():
    assert 0.005 < noise_of({"facts": observed([1.0] * 60, 1)}, [measure(60, 1, metric="completion")])["facts"] < 0.03
    assert noise_of({"talk": observed([0.0] * 60, 2)}, [measure(60, 2)])["talk"] > 0.005


def test_what_is_read_is_exact():
    texts = Measure("perplexity", "perplexity", ["a b"], "keep", "lower", "perplexity")
    assert noise_of({"perplexity": observed([1.0], 1)}, [texts]) == {"perplexity": 0.0}


def test_a_loss_within_the_noise_is_none_and_a_budget_keeps_its_meaning():
    suite = [measure(60, 2)]

    def over(loss, noise, margin=1.0):
        return excess(Budget(points=0.02), suite, {"talk": 0.9}, {"talk": 0.9 - loss}, {"talk": noise}, margin)

    assert over(0.019, 0.0) == 0
    assert over(0.03, 0.0) > 0
    assert over(0.03, 0.035) == 0
    assert over(0.04, 0.035) > 0
    assert over(0.019, 0.0, margin=1 / 3) > 0
    assert over(0.019, 0.02, margin=1 / 3) == 0
