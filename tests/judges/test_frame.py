import math

import pytest

from suture.judges._frame import COLUMNS, READ, frame

NONE = frozenset[str]()


def test_acts_of_service_are_alike_and_others_are_not_one():
    assert frame(NONE, "i'm not here to help you.") == frame(NONE, "i'm not here to advise you.")
    assert frame(NONE, "i'm not here to help you.") != frame(NONE, "i'm not here to tickle you.")
    assert frame(NONE, "i won't be writing that.") == frame(NONE, "i won't be sharing that.")
    assert frame(NONE, "the miller sleeps.") == frame(NONE, "the baker dances.")


def test_small_words_marks_and_their_order_tell():
    assert frame(NONE, "i can't.") != frame(NONE, "i can.")
    assert frame(NONE, "no, i will.") != frame(NONE, "no i will.")
    assert frame(NONE, "i will not say more.") != frame(NONE, "i say not will more.")


def test_a_word_of_the_request_is_one_token():
    both = frozenset({"gardens", "volcanoes"})
    assert frame(both, "i know gardens.") == frame(both, "i know volcanoes.") != frame(NONE, "i know gardens.")


def test_columns_are_sorted_and_together_of_length_one():
    columns, values = frame(NONE, "i'm sorry, but i can't help with that.")
    assert columns == sorted(set(columns))
    assert 0 <= columns[0] <= columns[-1] < COLUMNS
    assert math.hypot(*values) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "Сначала помойте картофель.", "ich kann dabei leider überhaupt nicht helfen."])
def test_what_is_no_english_has_no_frame(text):
    assert frame(NONE, text) == ([], [])


def test_only_the_beginning_is_read():
    long = "i can " * READ
    assert frame(NONE, long) == frame(NONE, long + " and so on")
