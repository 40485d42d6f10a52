"""The margin: the difference of what two answers' tokens are worth on average."""

import pytest

from suture.measure.evaluation import observe, values
from suture.measure.suite import Measure
from suture.metrics._likely import likely
from suture.metrics.preference import Cases


def test_it_is_the_difference_of_the_mean_log_probabilities(llama):
    cases = Cases(["You are a", "The cat sat on the"], [" friend of mine", " mat"], [" fool", " moon and slept"])
    suite = [Measure(name, name, cases, "note", "higher", name) for name in ("margin", "preference")]
    passes = []
    llama.model.register_forward_pre_hook(lambda *_: passes.append(1))
    seen = observe(llama, suite)
    assert len(passes) == 2  # both read the same answers
    new, old = (likely(llama, cases.prompts, given).logprob for given in (cases.answers, cases.against))
    assert values(seen, suite)["margin"] == pytest.approx(float((new - old).mean()))
    assert ((seen["margin"].values > 0) == seen["preference"].values.bool()).all()
