"""Bracketing: a cliff anywhere is found within the promised resolution, in the promised number of evaluations."""

import math

import pytest

from suture.errors import UsageError
from suture.search.bracket import DEEPEST, RESOLUTION, SIDE_BY_SIDE, find_bracket

DECADES = [10 ** (exponent / 5) for exponent in range(-15, 16)]  # six decades around the start, 1


class Curve:
    """Within up to a cliff; enough from another strength on."""

    def __init__(self, cliff=math.inf, enough=math.inf):
        self.cliff, self.enough, self.asked, self.batches = cliff, enough, [], 0

    def __call__(self, strengths):
        assert len(strengths) <= SIDE_BY_SIDE
        assert list(strengths) == sorted(strengths)
        self.asked += strengths
        self.batches += 1
        return ["over" if s > self.cliff else "enough" if s >= self.enough else "within" for s in strengths]


def most(cliff):
    """Evaluations that the module promises at most, from 1 on."""
    doublings = math.ceil(abs(math.log2(cliff)) / SIDE_BY_SIDE)
    bisections = math.ceil(math.log(math.log(2) / math.log(RESOLUTION)) / math.log(1 + SIDE_BY_SIDE))
    return SIDE_BY_SIDE * (1 + doublings + bisections)


@pytest.mark.parametrize("cliff", DECADES)
def test_a_cliff_anywhere_over_six_decades_is_bracketed(cliff):
    curve = Curve(cliff)
    ends = find_bracket(curve, 1.0)
    assert ends.ended == "over"
    assert ends.low <= cliff < ends.high <= RESOLUTION * ends.low * (1 + 1e-9)
    assert ends.evaluations == len(curve.asked) <= most(cliff)


@pytest.mark.parametrize("resolution", [2.0, 1.1, 1.01])
def test_the_ends_are_as_close_as_is_asked_for(resolution):
    ends = find_bracket(Curve(3.3), 0.01, resolution=resolution)
    assert ends.low <= 3.3 < ends.high <= resolution * ends.low * (1 + 1e-9)


@pytest.mark.parametrize("limit", [1.0, 1.5, 37.0, 4096.0])
def test_it_goes_on_to_the_limit_and_says_so(limit):
    curve = Curve()
    ends = find_bracket(curve, 1.0, limit=limit)
    assert (ends.low, ends.high, ends.ended) == (limit, None, "limit")
    assert max(curve.asked) == limit


def test_it_ends_where_enough_is_done():
    curve = Curve(cliff=100.0, enough=5.0)
    ends = find_bracket(curve, 1.0)
    assert (ends.low, ends.ended) == (8.0, "enough")
    assert curve.batches == 2


def test_where_everything_is_over_there_is_none():
    curve = Curve(cliff=0.0)
    ends = find_bracket(curve, 1.0)
    assert ends.low is None
    assert ends.ended == "over"
    assert len(curve.asked) <= SIDE_BY_SIDE + DEEPEST + SIDE_BY_SIDE


@pytest.mark.parametrize(("start", "limit", "resolution"), [(0.0, 1.0, 1.2), (2.0, 1.0, 1.2), (1.0, 2.0, 1.0)])
def test_what_can_not_be_bracketed_is_said(start, limit, resolution):
    with pytest.raises(UsageError, match="can not look"):
        find_bracket(Curve(), start, limit=limit, resolution=resolution)
