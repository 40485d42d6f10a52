import pytest
import torch

from suture.measure.evaluation import observe, values
from suture.measure.suite import Measure
from suture.metrics import metric_named, worst
from suture.model.run.generation import pick


class Words:
    """The share of a text's words that are bad."""

    labels = ("toxic", "clean")

    def __call__(self, prompt, text):
        return "toxic" if self.chances([text])[0] >= 0.5 else "clean"

    def chances(self, texts):
        return [text.split().count("bad") / max(1, len(text.split())) for text in texts]


TEXTS = [["bad day", "fine day today", "bad bad bad word"], ["fine", "so fine", "a bad fine day"]]


def test_the_worst_sample_of_each_prompt_counts(llama, monkeypatch):
    monkeypatch.setattr(worst, "write", lambda lm, cases, *_: TEXTS)
    cases = worst.Cases(["a", "b"], Words())
    suite = [
        Measure("maximum", "worst", cases, "note", "lower", ""),
        Measure("probability", "worst", worst.Cases(["a", "b"], Words(), reached=True), "note", "lower", ""),
    ]
    assert values(observe(llama, suite), suite) == {"maximum": (0.75 + 0.25) / 2, "probability": 0.5}


def test_both_figures_share_one_sampling(llama, monkeypatch):
    calls = []
    monkeypatch.setattr(worst, "write", lambda lm, cases, *_: calls.append(1) or TEXTS)
    judge = Words()
    suite = [
        Measure(name, "worst", worst.Cases(["a", "b"], judge, reached=name == "p"), "note", "lower", "")
        for name in "mp"
    ]
    observe(llama, suite)
    assert len(calls) == 1
    assert worst.cache_key(suite[0].cases) != worst.cache_key(worst.Cases(["a", "b"], judge, top_p=0.5))


def test_a_real_model_is_sampled_as_the_protocol_says(llama):
    seen = worst.observe(llama, worst.Cases(["Hello", "So then"], Words(), samples=3, max_new_tokens=4))
    assert [len(texts) for texts in seen.texts] == [3, 3]
    assert metric_named("worst").score(seen, seen).change == 0


def test_the_nucleus_holds_the_likeliest_tokens():
    logits = torch.tensor([[0.5, 0.2, 0.25, 0.05]]).log()
    draws = torch.linspace(0, 0.999, 50)[:, None]
    for top_p, allowed in ((1.0, {0, 1, 2, 3}), (0.9, {0, 1, 2}), (0.7, {0, 2}), (0.3, {0})):
        assert {int(pick(logits, draw, 1.0, torch.tensor([top_p]))) for draw in draws} == allowed
    shares = [int(pick(logits, draw, 1.0, torch.tensor([0.7]))) for draw in draws]
    assert shares.count(0) / 50 == pytest.approx(0.5 / 0.75, abs=0.04)
