"""The reference score: cosines of weighed words, against scikit-learn's, and what it says of texts that agree."""

import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from suture.measure.evaluation import observe
from suture.measure.suite import Measure
from suture.metrics import consistency, metric_named
from suture.metrics._score import Observation
from suture.metrics._written import Cases as Written

REFERENCES = (("Rome is the capital of Italy.", "In Rome they speak Italian."), ("A cat sleeps. The cat purrs.",))
TEXTS = [["Rome, the old capital"], ["in Italy"], ["the dog sleeps in Rome"]]
CASES = consistency.Cases(["a", "b", "c"], owners=[0, 0, 1], references=REFERENCES)


def scored(cases, texts):
    return consistency.repeat(cases, Observation(torch.zeros(1), torch.ones(1), texts)).values.tolist()


def test_it_is_the_cosine_of_scikit_learn():
    texts = [text for own in REFERENCES for text in own]
    vectors = TfidfVectorizer(token_pattern=r"\w\w+", norm=None).fit(texts)
    said = [["Rome the capital of Italy"], ["they speak Italian"], ["the cat sleeps in Rome"]]  # words all known to it
    left = vectors.transform(["Rome the capital of Italy they speak Italian", "the cat sleeps in Rome"]).toarray()
    right = vectors.transform([" ".join(own) for own in REFERENCES]).toarray()
    expected = [float(a @ b / (a @ a) ** 0.5 / (b @ b) ** 0.5) for a, b in zip(left, right, strict=True)]
    assert scored(CASES, said) == pytest.approx(expected)


def test_a_text_that_is_the_reference_scores_one_and_a_strange_one_nothing():
    same = [[" ".join(REFERENCES[0])], [""], ["nothing alike here"]]
    assert scored(CASES, same) == pytest.approx([1.0, 0.0])


def test_words_that_no_reference_has_lower_it():
    short, long = ([["Rome"], ["capital"], [more]] for more in ("cat", "cat and many more unheard words"))
    assert scored(CASES, long)[1] < scored(CASES, short)[1]


def test_no_text_at_all_scores_nothing():
    assert scored(CASES, [[""], [""], [""]]) == [0.0, 0.0]
    empty = consistency.Cases(["a"], owners=[0], references=[()])
    assert scored(empty, [["words"]]) == [0.0]


def test_it_shares_its_texts_with_fluency(llama):
    prompts = ["The capital of Velmora", "A cat"]
    cases = consistency.Cases(prompts, max_new_tokens=8, owners=[0, 1], references=REFERENCES)
    suite = [
        Measure("fluency", "fluency", Written(prompts, max_new_tokens=8), "note", "higher", ""),
        Measure("consistency", "consistency", cases, "note", "higher", ""),
    ]
    seen = observe(llama, suite)
    assert seen["fluency"].texts is seen["consistency"].texts
    assert len(seen["consistency"].values) == 2
    alone = consistency.observe(llama, cases)
    assert alone.values.tolist() == seen["consistency"].values.tolist()
    assert metric_named("consistency").score(alone, alone).change == 0
