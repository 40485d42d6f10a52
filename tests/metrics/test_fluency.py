import math

import pytest
import torch

from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.metrics import fluency, loops, metric_named
from suture.metrics._written import Cases

PROMPTS = ["You are a", "The capital of Velmora is", "Hello"]


@pytest.mark.parametrize("text", ["", "one", "two words", "no no no no no no"])
def test_a_constant_word_has_no_entropy(text):
    assert fluency.entropy(text) == 0


def test_entropy_weighs_bigrams_a_third_and_trigrams_two_thirds():
    """Five different words: four bigrams of 2 bits, three trigrams of log2(3)."""
    assert fluency.entropy("a b c d e") == pytest.approx(2 / 3 / 2 * 2 + 4 / 3 / 2 * math.log2(3))
    """a b a b: bigrams ab twice and ba once; two different trigrams."""
    pairs = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert fluency.entropy("a b a b") == pytest.approx(pairs / 3 + 2 / 3 * 1)


def test_marks_are_words_and_case_counts():
    assert fluency.entropy("a b. A b.") > fluency.entropy("a b. a b.")


def test_a_loop_is_less_fluent_than_a_text():
    assert fluency.entropy("the cat sat on the mat and then it slept") > fluency.entropy(
        "the cat the cat the cat the cat"
    )


def test_fluency_and_loops_share_their_texts(llama):
    cases = Cases(PROMPTS, max_new_tokens=10)
    seen = observe(
        llama,
        [
            Measure("fluency", "fluency", cases, "note", "higher", ""),
            Measure("loops", "loops", cases, "note", "lower", ""),
        ],
    )
    assert seen["fluency"].texts is seen["loops"].texts
    alone = loops.observe(llama, cases)
    assert torch.equal(alone.values, seen["loops"].values)
    assert alone.texts == seen["loops"].texts
    assert seen["fluency"].values.tolist() == pytest.approx([fluency.entropy(t) for (t,) in alone.texts])


def test_several_samples_are_averaged(llama):
    seen = fluency.observe(llama, Cases(PROMPTS, samples=3, temperature=1.0, max_new_tokens=8))
    assert [len(each) for each in seen.texts] == [3, 3, 3]
    assert float(seen.values[0]) == pytest.approx(sum(map(fluency.entropy, seen.texts[0])) / 3)
    score = metric_named("fluency").score(seen, seen)
    assert (score.change, score.cases) == (0.0, 3)
