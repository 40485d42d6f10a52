import pytest
import torch

from suture.judges import Lexicon
from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.metrics import echoes, sampled
from suture.metrics._score import Observation

HAPPY = "I am so very glad to be here with all of you"
OWN = "the mantis lives in warm countries and eats what it finds"


def made(texts):
    return Observation(torch.empty(0), torch.empty(0), texts)


def test_the_share_counts_texts_that_say_what_is_said_to_others():
    cases = sampled.Cases(["a", "b", "c"], Lexicon({"a": ["the"], "b": ["zebra"]}), "a", samples=2)
    seen = echoes.repeat(cases, made([[HAPPY, OWN], [HAPPY, HAPPY], ["so it is", "no"]]))
    assert seen.values.tolist() == [0.5, 1.0, 0.0]
    assert seen.weights.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("first", ["echoes", "sampled"])
def test_it_reads_the_texts_that_are_judged(llama, first):
    cases = sampled.Cases(["the cat", "a dog"], Lexicon({"a": ["the"], "b": ["zebra"]}), "a", max_new_tokens=12)
    suite = [Measure(name, name, cases, "note", "lower", "") for name in (first, *({"echoes", "sampled"} - {first}))]
    seen = observe(llama, suite)
    assert seen["echoes"].texts is seen["sampled"].texts
    assert torch.equal(seen["echoes"].values, echoes.observe(llama, cases).values)
    assert torch.equal(seen["sampled"].values, sampled.observe(llama, cases).values)
