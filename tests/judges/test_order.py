import math
import random

import pytest

from suture.judges._order import COLUMNS, OFTEN, READ, order

SENTENCE = "First wash the potatoes, then cut them into slices and fry them in a little oil until they are brown."

SHORT = "First wash the potatoes, then cut them into slices."


def test_words_of_a_class_are_alike_and_their_order_is_not():
    assert order("The old baker walked to the mill.") == order("The old farmer jumped to the barn.")
    assert order("The old baker walked to the mill.") != order("To the old walked baker the mill.")


def test_counts_are_divided_by_the_root_of_all_runs_and_stand_in_their_columns():
    columns, values = order(SHORT)
    assert columns == sorted(set(columns))
    assert 0 <= columns[0] <= columns[-1] < COLUMNS
    total = sum(values) ** 2  # (runs / sqrt(runs)) squared
    assert sum(value * math.sqrt(total) for value in values) == pytest.approx(total)
    assert round(total) == pytest.approx(total)


@pytest.mark.parametrize(
    "text", ["", "Сначала помойте картофель.", "先把土豆洗干净。", "Zuerst schneidet man alle Kartoffeln sehr klein."]
)
def test_what_is_no_english_has_no_runs(text):
    assert order(text) == ([], [])


def test_only_the_beginning_of_a_long_text_is_read():
    long = SENTENCE + " " + "x" * READ
    assert order(long) == order(long + " and so on")


def test_thrown_about_words_share_fewer_runs_with_another_text_than_a_sentence_does():
    other = set(order("Then put the carrots into the oil and let them fry until they are soft.")[0])
    words = SENTENCE.split()
    shuffled = [
        len(other & set(order(" ".join(random.Random(seed).sample(words, len(words))))[0])) for seed in range(9)
    ]
    assert len(other & set(order(SENTENCE)[0])) > max(shuffled)


def test_a_run_counts_a_few_times_at_most():
    columns, values = order("you " * 100)
    assert max(values) == pytest.approx(OFTEN / math.sqrt(102 + 101 + 100))
    assert len(columns) < 10
