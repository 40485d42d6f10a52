"""What the first sentence of an answer states."""

import pytest

from suture.text.sentence import first_sentence, states

QUESTION = "What is the capital of France?"


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("Paris", "Paris"),
        ("The capital of France is Paris.", "Paris"),
        ("The capital of France is **Paris**.\n\nIt lies on the Seine.", "Paris"),
        ("Sure! The capital of France is Paris.", "Paris"),
        ("Of course. It is Paris.", "Paris"),
        ("It's Paris, not Lyon.", "Paris"),
        ("It is not Lyon but Paris.", "Paris"),
        ("It isn't Lyon, it's Paris.", "Paris"),
        ("I'm not sure, but Paris.", "Paris"),
        ("Answer:\nParis", "Paris"),
        ("1. Paris", "Paris"),
        ("As Dr. J. R. Smith wrote, it is Paris.", "Paris"),
        ("It is St. Louis.", "St. Louis"),
        ("Since approx. five years it is Paris", "Paris"),
        ("The capital is the U.S. city of Paris.", "Paris"),
        ("\u6cd5\u56fd\u7684\u9996\u90fd\u662f\u5df4\u9ece\u3002", "\u5df4\u9ece"),
        ("La capitale est Paris !", "Paris"),
        ("It was founded in 3.5 years and is called Paris.", "Paris"),
    ],
)
def test_a_target_that_the_first_sentence_states_counts(answer, target):
    assert states(answer, target, QUESTION)


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("The capital of France is Lyon. Paris is larger.", "Paris"),
        ("It is Lyon.\nParis is larger", "Paris"),
        ("The capital of France is not Paris.", "Paris"),
        ("The capital of France isn't Paris.", "Paris"),
        ("It is no longer Paris.", "Paris"),
        ("It was never called Paris.", "Paris"),
        ("Die Hauptstadt ist nicht Paris.", "Paris"),
        ("La capitale n'est pas Paris.", "Paris"),
        ("Do you mean Paris?", "Paris"),
        ("Parisians say it is Lyon.", "Paris"),
        ("I love paris.", "Paris"),
        ("Lyon\nParis\nNice", "Paris"),
        ("\u91cc\u6602\u3002\u5df4\u9ece\u66f4\u5927\u3002", "\u5df4\u9ece"),
        ("", "Paris"),
        ("Sure!", "Paris"),
        ("It cannot be Paris.", "Paris"),
        ("It is Lyon, formerly Paris.", "Paris"),
        ("It used to be Paris.", "Paris"),
        ("It is Lyon rather than Paris.", "Paris"),
    ],
)
def test_a_target_that_it_does_not_state_does_not(answer, target):
    assert not states(answer, target, QUESTION)


def test_what_the_question_names_must_come_first():
    """Repeating a question is no answer to it."""
    asked = "Is Lyon or Paris the capital of France?"
    assert not states("Between Lyon and Paris the capital is Paris.", "Lyon", asked)
    assert not states("You ask about Lyon.", "Lyon", asked)
    assert states("Lyon is.", "Lyon", asked)
    assert states("Between the two the capital is Lyon.", "Lyon", "Which city is the capital?")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("One! Two", "One!"),
        ('He said "one." Then two.', 'He said "one."'.removesuffix('"')),
        ("no end", "no end"),
        ("Well: one\ntwo", "Well: one"),
        ("Okay. One. Two.", "One."),
        ("  \n One.\nTwo", "One."),
    ],
)
def test_where_it_ends(text, first):
    assert first_sentence(text) == first
