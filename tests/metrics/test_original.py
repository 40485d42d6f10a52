from types import SimpleNamespace

import pytest
import torch

from suture.judges import Lexicon
from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.metrics import original, sampled

HAPPY = "I am so very glad to be here with all of you"
PLAIN = [
    "the mantis lives in warm countries",
    "my dog eats what it finds on the road",
    "what a very glad day it was for us all",
]
PROMPTS = ["a", "b", "c", "d"]
JUDGE = Lexicon({"glad": ["glad"], "sad": ["sad"]})


def seen(texts, strict=False, doses=None):
    cases = sampled.Cases(PROMPTS * (len(texts) // 4), JUDGE, "glad", samples=1, strict=strict)
    return original._with_echoes(cases, sampled._label_shares(cases, [[text] for text in texts], {}), doses)


BASE = [*PLAIN, "so it is"]  # one of four is glad
SAME = [HAPPY, HAPPY, HAPPY, PLAIN[2]]  # all are glad, three in the same words
FREE = ["we are glad of the rain", "my old dog looks so glad today", *PLAIN[2:], "a glad man came home from far away"]


def test_echoes_do_not_count_as_what_is_wanted():
    base = seen(BASE)
    assert original.score(base, base).after == original.score(base, base).before == 0.25
    assert original.score(base, seen(FREE)).after == 1.0
    same = original.score(base, seen(SAME))
    assert (same.before, same.after, same.change) == (0.25, 0.25, 0.0)
    assert same.low <= 0 <= same.high


def test_and_count_as_what_is_not():
    base, sad = seen(BASE, strict=True), [HAPPY.replace("glad", "sad")] * 4
    assert original.score(base, seen(sad, strict=True)).after == 1.0
    assert original.score(base, seen(["so it is"] * 4, strict=True)).after == 0.0


def test_a_model_that_has_as_many_by_nature_is_compared_as_it_is():
    base = seen(["it is as it ever was to me"] * 4)
    assert original.score(base, seen([HAPPY] * 4)).after == 1.0
    fewer = original.score(seen([HAPPY] * 4), seen(FREE))
    assert (fewer.before, fewer.after) == (1.0, 1.0)


def test_what_one_strength_says_is_no_echo_of_another():
    both = seen([*FREE, *FREE], doses=SimpleNamespace(strengths=[1.0] * 4 + [2.0] * 4))
    assert both.extra[original.ECHO] == [0.0] * 8
    assert seen([*FREE, *SAME]).extra[original.ECHO] != [0.0] * 8


@pytest.mark.parametrize("first", ["original", "sampled"])
def test_it_shares_texts_with_the_plain_figure(llama, first):
    cases = sampled.Cases(["the cat", "a dog"], Lexicon({"a": ["the"], "b": ["zebra"]}), "a", max_new_tokens=12)
    suite = [Measure(name, name, cases, "note", "lower", "") for name in (first, *({"original", "sampled"} - {first}))]
    both = observe(llama, suite)
    assert both["original"].texts is both["sampled"].texts
    assert torch.equal(both["original"].values, both["sampled"].values)
    assert both["original"].extra[original.ECHO] == original.observe(llama, cases).extra[original.ECHO]
