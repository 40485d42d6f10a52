# ruff: noqa: RUF001 - such letters are what is tested
"""Texts compared in any case, normal form and script; places are those in the text as it stands."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.text.letters import begins_with, folded, names, place, places, unpaired, whole, words

LETTERS = "abzIiİıßẞﬁﬂŒœÅåéÉñÇçşŁłøΣσςΆάЖжЙйԱաǅǆŉḀỊ'’- 0²"
NAMES = st.text(LETTERS, min_size=1, max_size=12).filter(
    lambda text: text.strip() == text and folded(text).strip("'- ")
)
CASES = (str, str.upper, str.lower, str.title, str.casefold, str.swapcase)
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@settings(max_examples=300, deadline=None)
@given(
    st.text(LETTERS, max_size=12), NAMES, st.text(LETTERS, max_size=12), st.sampled_from(CASES), st.sampled_from(FORMS)
)
def test_what_is_found_is_what_was_sought(before, name, after, case, form):
    """In any case and normal form, wherever it stands, whatever folds to more or fewer characters before it."""
    prompt = unicodedata.normalize(form, f"İﬁ{before} {case(name)} {after}ß")
    found = place(prompt, name)
    assert found is not None
    assert folded(prompt[slice(*found)]) == folded(name)
    assert not unicodedata.combining(prompt[found[1] : found[1] + 1] or "x")  # no letter is cut


@pytest.mark.parametrize(
    ("text", "wanted", "found"),
    [
        ("In İstanbul they say that Handland is", "Handland", "Handland"), ("İİİ handLAND is", "Handland", "handLAND"),
        ("the city of İstanbul", "istanbul", "İstanbul"), ("ISPARTA is", "ısparta", "ISPARTA"),
        ("die STRASSE ist", "Straße", "STRASSE"),
        ("a ﬁsh swims", "FISH", "ﬁsh"), ("Cafe\u0301 Central", "Caf\u00e9", "Cafe\u0301"), ("O’Neil plays", "O'Neil", "O’Neil"),
        ("New\u00a0 York is", "New York", "New\u00a0 York"), ("ΟΔΥΣΣΕΥΣ is", "Οδυσσευς", "ΟΔΥΣΣΕΥΣ"),
    ],
)  # fmt: skip
def test_a_place_is_that_of_the_text_as_it_stands(text, wanted, found):
    assert text[slice(*place(text, wanted))] == found


def test_a_letter_is_never_cut():
    assert places("Cafe\u0301", "Cafe") == []
    assert places("ﬁsh", "ish") == []
    assert place("nothing of it", "Ann") is None


def test_whole_words_come_first_and_the_last_one_counts():
    assert place("Ann has a sister, Annabel, who", "Ann") == (0, 3)
    assert place("Oman is a romantic country; it is", "Oman") == (0, 4)
    assert place("Rome is Rome and", "rome") == (8, 12)
    assert place("us and US and", "US") == (7, 9)
    assert place("法国的首都是", "法国") == (0, 2)


@pytest.mark.parametrize(
    ("text", "answer", "right"),
    [
        ("柏林是德国的首都", "柏林", True), ("Cafe\u0301 au lait", "Caf\u00e9", True), ("Cafe\u0301", "Cafe", False),
        ("Wandtonia", "Wandton", False), (" Wandton.", "Wandton", True), ("wandton", "Wandton", False), ("", "x", False),
    ],
)  # fmt: skip
def test_a_text_begins_with_an_answer_in_any_script(text, answer, right):
    assert begins_with(text, answer) is right


def test_names_keep_their_case_and_need_no_blanks_where_there_are_none():
    assert names("Is Rose here?", "Rose")
    assert not names("a rose is red", "Rose")
    assert not names("Roses are red", "Rose")
    assert names("法国的首都是", "法国")
    assert names("Tome\u0301 sleeps", "Tom\u00e9")


def test_words_of_scripts_without_blanks_are_their_letters():
    assert words("It's Tea_2, yes") == ["it", "s", "tea_2", "yes"]
    assert words("今天 café") == ["今", "天", folded("café")]
    assert len(words("Ibrahimovic\u0301 plays")) == 2


def test_words_are_sought_whole_where_words_have_ends():
    found = whole(["C++", "拒绝", "can't"])
    assert found.search(folded("我必须拒绝回答"))
    assert found.search(folded("I can’t"))
    assert found.search(folded("in c++ we"))
    assert not whole(["caf"]).search(folded("café"))
    assert not whole(["cafe"]).search(folded("café"))
    assert not whole([]).search("x")


def test_half_a_character_is_seen():
    assert unpaired("a \ud83d b") == 2
    assert unpaired("a 😀 b") is None
