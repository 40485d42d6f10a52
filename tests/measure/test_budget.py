import math

import pytest

from suture.measure.budget import Budget
from suture.measure.suite import Measure

SHARE = Measure("facts", "completion", None, "keep", "higher", "")
TEXT = Measure("perplexity", "perplexity", None, "keep", "lower", "")
NOTE = Measure("other", "completion", None, "note", "higher", "")


def test_the_budget_is_in_points_and_per_cent():
    budget = Budget(points=0.02, perplexity=0.05)
    both = [SHARE, TEXT]
    base = {"facts": 1.0, "perplexity": 2.0}
    assert budget.excess([SHARE], {"facts": 1.0}, {"facts": 49 / 50}) == 0
    assert budget.excess(both, base, {"facts": 0.981, "perplexity": 2.09}) == 0
    assert budget.excess(both, base, {"facts": 0.94, "perplexity": 2.0}) == pytest.approx(2)
    assert budget.excess(both, base, {"facts": 1.0, "perplexity": 2.3}) == pytest.approx(2)


def test_the_worst_share_used_is_over_what_is_to_keep():
    budget = Budget(points=0.02, perplexity=0.05)
    base = {"facts": 1.0, "perplexity": 2.0, "other": 1.0}
    now = {"facts": 0.99, "perplexity": 2.08, "other": 0.0}
    assert budget.worst([SHARE, TEXT, NOTE], base, now) == pytest.approx(0.8)
    assert budget.worst([SHARE], base, {"facts": 1.5}) == 0
    assert budget.used(0.1, 0.13, "lower") == pytest.approx(1.5)


def test_a_destroyed_model_keeps_no_budget():
    assert Budget().excess([TEXT], {"perplexity": 2.0}, {"perplexity": math.nan}) == math.inf
