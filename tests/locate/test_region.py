import pytest
import torch

from suture.locate.region import BARS, Region
from suture.measure.report import Where
from suture.model.arch.anatomy import Site

SCORES = {Site(0, "mlp.gate"): torch.linspace(-1, 0, 500), Site(2, "mlp.gate"): torch.linspace(0.1, 5, 500)}


def test_the_histogram_counts_every_candidate_and_every_chosen_row():
    region = Region.choose(SCORES, 30, {"by": "cosine"})
    histogram = region.about["histogram"]
    assert len(histogram["edges"]) == BARS + 1
    assert sum(histogram["counts"]) == 1000
    assert sum(histogram["chosen"]) == 30
    flat = torch.cat(list(SCORES.values()))
    low, high = histogram["edges"][3:5]
    assert histogram["counts"][3] == int(((flat >= low - 1e-5) & (flat < high - 1e-5)).sum())
    assert histogram["chosen"][0] == min(30, histogram["counts"][0])  # the smallest are chosen


def test_far_away_scores_are_counted_in_the_outer_bars():
    scores = {Site(0, "mlp.gate"): torch.cat([torch.linspace(0, 1, 2000), torch.tensor([1e6])])}
    histogram = Region.choose(scores, 1, {}, largest=True).about["histogram"]
    assert histogram["edges"][-1] < 2
    assert sum(histogram["counts"]) == 2001
    assert histogram["chosen"][-1] == 1


@pytest.mark.parametrize("scores", [torch.zeros(10), torch.ones(1)])
def test_equal_scores_have_a_histogram(scores):
    histogram = Region.choose({Site(0, "mlp.gate"): scores}, 1, {}).about["histogram"]
    assert sum(histogram["counts"]) == len(scores)
    assert histogram["edges"][0] < histogram["edges"][-1]


def test_a_report_says_where_a_region_is(tmp_path):
    region = Region.choose(SCORES, 30, {"by": "cosine"})
    where = Where.of(Region.load(region.save(tmp_path / "region")))
    assert where.layers == {0: 30, 2: 0}
    assert where.by == "cosine"
    assert sum(where.chosen) == 30
    old = Where.of(Region(region.rows, region.scores, 1000, {"by": "cosine"}))
    assert old.counts == []
    assert old.layers == {0: 30}
