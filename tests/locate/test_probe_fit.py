"""How well a probe separates: what tells blocks apart that all tell the held-out texts right."""

from dataclasses import replace

import pytest
import torch

from suture.locate._probe_fit import Score, score_of
from suture.locate.direction import Direction

LABELS = torch.tensor([0, 1, 0, 0, 1, 1])  # the first two are fitted


def test_the_distance_of_the_classes_is_in_deviations_within_them():
    score = score_of(torch.tensor([-9.0, 9.0, -2.0, -4.0, 5.0, 1.0]), LABELS, 2)
    spread = ((1 + 1 + 4 + 4) / 2) ** 0.5  # of -2, -4 about -3, and 5, 1 about 3
    assert score.auc == 1.0
    assert score.apart == pytest.approx(6 / spread)


@pytest.mark.parametrize("logit", [[-9.0, 9.0, -1.0, -1.0, 1.0, 1.0], [-9.0, 9.0, 0.0, 0.0, 0.0, 0.0]])
def test_where_nothing_varies_no_distance_is_made_up(logit):
    assert score_of(torch.tensor(logit), LABELS, 2).apart == 0.0


def test_too_few_held_out_texts_say_nothing():
    assert score_of(torch.tensor([-9.0, 9.0, -1.0, 2.0]), torch.tensor([0, 1, 0, 1]), 2).apart == 0.0


def test_of_blocks_that_separate_alike_the_one_with_most_room_is_the_best():
    even = Score(1.0, 1.0, 1.0, 18, 6, 2.0)
    scores = [even, replace(even, apart=5.0), replace(even, apart=5.0), replace(even, auc=0.9, apart=9.0)]
    direction = Direction("tone", "residual", [0, 1, 2, 3], torch.eye(4), torch.ones(4), torch.ones(4, 2), scores)
    assert direction.best == 1
    assert direction.best_of([0, 3]) == 0
