import math

import pytest

from suture.report.figures._svg import COLOURS, SHAPES, Scale, at, cut, legend, look, round_text


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0, 7.3], 0, 8),
        ([-65.6, 3.1], -80, 20),
        ([0.0012, 0.0149], 0, 0.015),
        ([5], 2, 8),
        ([0], -0.6, 0.6),
        ([], -0.6, 0.6),
    ],
)
def test_a_scale_goes_from_and_to_round_numbers(values, low, high):
    scale = Scale.over(values, 0, 100)
    assert (scale.low, scale.high) == (pytest.approx(low), pytest.approx(high))
    assert scale(scale.low) == 0
    assert scale(scale.high) == 100


@pytest.mark.parametrize("span", [(0, 1), (-80, 20), (3, 3.01), (0, 12345), (1e-7, 3e-7)])
def test_ticks_are_one_two_or_five_times_a_power_of_ten_apart(span):
    ticks = Scale.over(span, 0, 100).ticks()
    assert 3 <= len(ticks) <= 9
    step = ticks[1] - ticks[0]
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)
    assert all(len(round_text(tick)) <= 8 for tick in ticks)


def test_what_lies_beyond_is_drawn_at_the_edge():
    scale = Scale.over([0, 50, math.inf, math.nan], 0, 100, most=20)
    assert scale.high == 20
    assert scale(math.inf) == 100
    assert scale.beyond(50)
    assert not scale.beyond(20)


def test_no_coordinate_is_nan():
    with pytest.raises(ValueError, match="number"):
        at(math.nan)


def test_series_differ_without_their_colour():
    looks = [look(index) for index in range(len(COLOURS) * len(SHAPES))]
    assert len(set(looks)) == len(looks)
    assert len({shape for _, shape, _ in looks[:6]}) == 6


def test_words_are_cut_to_their_room_and_legends_wrap():
    assert cut("short", 100) == "short"
    assert cut("a very long name of a property", 60).endswith("\u2026")
    drawn, bottom = legend([("", "a name of some length")] * 4, 10)
    assert drawn.count("<text") == 4
    assert bottom > 30  # two rows; one ends at 20
