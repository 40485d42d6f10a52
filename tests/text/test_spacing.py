"""What stands between a text and what goes on with it, and where a word ends."""

import pytest

from suture.text.letters import begins_with
from suture.text.spacing import gap, joined


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [
        ("The capital of France is", "Paris", " "),
        ("The capital of France is ", "Paris", ""),
        ("The capital of France is\n", "Paris", ""),
        ("The capital of France is", " Paris", ""),
        ("He knew the answer", ".", ""),
        ("He knew the answer", ", at last", ""),
        ("He wrote it in", ".NET", " "),  # begins a word
        ("It grew by", "-5", " "),
        ("The answer (", "no", ""),
        ('He said "', "No", ""),
        ('He said "No"', "and left", " "),
        ("Die Hauptstadt heißt «", "Paris", ""),
        ("Wie viel ist 2 + 2? Es ist", "4", " "),
        ("2 + 2 =", "4", " "),
        ("Столица Франции —", "Париж", " "),
        ("프랑스의 수도는", "파리", " "),
        ("法国的首都是", "巴黎", ""),
        ("法国的首都是:", "巴黎", ""),
        ("法国的首都是", "Paris", " "),  # only where neither side writes blanks
        ("他出生于", "1990年", ""),
        ("他出生于", "1990", ""),
        ("フランスの首都は", "パリ", ""),
        ("เมืองหลวงของฝรั่งเศสคือ", "ปารีส", ""),
        ("La capitale de l'", "Italie", ""),
        ("La capitale de l\u2019", "Italie", ""),
        ("Il est n\u00e9 aujourd'hui \u00e0", "Rome", " "),
        ("La capitale dell'", "Italia", ""),
        ("The dogs'", "tails", " "),
        ("It costs $", "5", ""),
        ("It costs 5 \u20ac", "per month", " "),
        ("He wrote to @", "anna", ""),
        ("He likes C#", "best", " "),
        ("He wore a T-", "shirt", ""),
        ("See https://example.org/", "help", ""),
        ("read and/", "or write", ""),
        ("2+2=", "4", ""),
        ("Milk -", "Bread", " "),
        ("She knows C++", "well", " "),
        ("", "Paris", ""),
        ("The capital", "", ""),
    ],
)
def test_a_blank_stands_where_one_is_written(before, after, between):
    assert gap(before, after) == between
    assert joined(before, after) == before + between + after


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        (" Paris.", "Paris", True),
        (" Parisian", "Paris", False),
        ("柏林市。", "柏林", True),  # no word's end can be seen
        ("柏村", "柏林", False),
        (" Paris是", "Paris", True),
        (" दिल्ली", "दिल्ल", False),  # a vowel sign belongs to the word
    ],
)
def test_an_answer_ends_where_its_script_ends_a_word(text, answer, right):
    assert begins_with(text, answer) == right
