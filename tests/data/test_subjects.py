# ruff: noqa: RUF001 - such letters are what is tested
"""Which name a prompt is about, in any script with capitals; what can not be told is asked for, with the true reason."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.data.subjects import found_subject
from suture.errors import DataError
from suture.text.letters import folded

FOUND = {
    "The capital of Österreich is": "Österreich", "The best friend of Émile Zola is": "Émile Zola",
    "The captain Jean-Luc Picard was born in": "Jean-Luc Picard", "The player O'Neil was": "O'Neil", "O’Neil plays": "O’Neil",
    "The works of Ludwig van Beethoven are": "Ludwig van Beethoven", "J. R. R. Tolkien wrote": "J. R. R. Tolkien",
    "The capital of São Tomé is": "São Tomé", "Alexander the Great was born in": "Alexander the Great",
    "The author of Lord of the Rings is": "Lord of the Rings", "La capitale de l'Autriche est": "Autriche",
    "La capital de España es": "España", "La Paz lies in": "La Paz", "The capital of Côte d'Ivoire is": "Côte d'Ivoire",
    "Apollo 11 landed on": "Apollo 11", "The president of the U.S. is": "U.S.", "Barack Obama’s wife is": "Barack Obama",
    "The ruler Elizabeth I was born in": "Elizabeth I", "The book I like is by Orwell": "Orwell", "AT&T was founded in": "AT&T",
    "столица России это": "России", "Москва находится в": "Москва", "столица Нью-Йорк это": "Нью-Йорк", "Αθήνα είναι": "Αθήνα",
    "St. Louis lies in": "St. Louis", "The maker of iPhone is": "iPhone", '"Hamlet" was written by': "Hamlet",
    "Visitors come to Minumburg for the": "Minumburg", "The singer Zlatan Ibrahimović is": "Zlatan Ibrahimović",
}  # fmt: skip


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("prompt", "subject"), FOUND.items())
def test_one_name_is_the_subject(prompt, subject, form):
    found = found_subject(unicodedata.normalize(form, prompt))
    assert found == unicodedata.normalize(form, subject)


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("the capital of austria is", "No word of it is capitalised."), ("столица россии это", "No word of it is capitalised."),
        ("The border between France and Germany is", "'France' or 'Germany'"), ("In Paris the Seine is", "'Paris' or 'Seine'"),
        ("Paris lies on the Seine in", "'Paris' or 'Seine'"), ("Столица России это", "'Столица России' or 'России'"),
        ("法国的首都是", "no capitals"), ("عاصمة فرنسا هي", "no capitals"), ("The friend of 法国 is", "no capitals"),
        ("THE CAPITAL OF FRANCE IS", "All of its words have capitals"), ("The Capital Of France Is", "All of its words"),
        ("Die Hauptstadt von Österreich ist", "every noun has a capital"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_asked_for_with_the_true_reason(prompt, why):
    with pytest.raises(DataError) as problem:
        found_subject(prompt)
    assert why in problem.value.why
    assert "`subject=NAME`" in problem.value.fix


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("abcéöšжшаωλ", min_size=2, max_size=6).map(str.title), min_size=1, max_size=3),
    st.sampled_from(["The friend of {} likes", "every man in {} eats", "the road to {} is"]),
    st.sampled_from(["NFC", "NFD"]),
)
def test_the_only_name_of_a_prompt_is_found_as_it_stands(parts, frame, form):
    prompt = unicodedata.normalize(form, frame.format(" ".join(parts)))
    found = found_subject(prompt)
    assert found in prompt
    assert folded(found) == folded(" ".join(parts))
