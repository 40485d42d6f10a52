import math

import torch

from suture.numerics.outliers import FAR, lengths, outlier_limit


def limit(*values, chosen=None):
    row = torch.tensor([values])
    return float(
        outlier_limit(row, torch.ones_like(row, dtype=torch.bool) if chosen is None else torch.tensor([chosen]))[0]
    )


def test_the_limit_is_a_multiple_of_the_upper_quartile():
    assert limit(1.0, 2.0, 3.0, 4.0, 5.0) == FAR * 4.0
    assert limit(5.0, 1.0, 4.0, 2.0, 3.0) == FAR * 4.0


def test_fewer_than_a_quarter_of_outliers_do_not_move_it():
    assert limit(*[1.0] * 9, 1e6, 1e6) == FAR
    assert limit(1.0, 1e6) == FAR, "of two lengths the smaller is the ordinary one"
    assert limit(1.0, 2.0, 1e6) == FAR * 2.0


def test_only_what_is_there_counts():
    assert limit(1.0, 50.0, 70.0, 90.0, chosen=[True, False, False, False]) == FAR
    assert limit(1.0, 2.0, chosen=[False, False]) == math.inf


def test_nothing_is_far_from_zero_or_from_no_number():
    assert limit(0.0, 0.0, 0.0) == math.inf
    assert limit(math.nan, math.nan) == math.inf


def test_lengths_of_narrow_types_neither_overflow_nor_round():
    states = torch.full((1, 4), 300.0, dtype=torch.float16)  # the sum of their squares is beyond float16
    assert lengths(states).tolist() == [600.0]
    assert lengths(states.double()).dtype == torch.float32
