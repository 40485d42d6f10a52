# ruff: noqa: RUF001 - such letters are what is tested
import pytest

from suture.text.rubble import READ, SHAPE, says_nothing, shape

SENTENCES = {
    "English": "First wash the potatoes, then cut them into slices and fry them in a little oil until they are brown.",
    "German": "Zuerst wäscht man die Kartoffeln, dann schneidet man sie in Scheiben und brät sie in etwas Öl.",
    "French": "Lavez les pommes de terre, coupez-les en tranches et faites-les dorer dans un peu d'huile.",
    "Russian": "Сначала помойте картофель, потом нарежьте его ломтиками и обжарьте в масле.",
    "Chinese": "先把土豆洗干净，然后切成薄片，再用少量的油慢慢煎到两面金黄为止。",
}


def figures(text):
    return dict(zip(SHAPE, shape(text), strict=True))


@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_sentences_of_any_language_say_something_and_have_the_figures_of_one(text):
    assert not says_nothing(text)
    found = figures(text)
    assert found["letters"] > 0.8
    assert found["variety"] > 0.7
    assert (found["repeated"], found["scripts"], found["odd"], found["unsaid"], found["loop"]) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "- - - - - - - - - -", "}}{{ ;;; ## )( !! %%", "\ufffd\ufffd \ufffd", "... ?!", "I I I I", "s t e n"],
)
def test_marks_without_words_say_nothing(text):
    assert says_nothing(text)


@pytest.mark.parametrize("text", ["42", "Rome", "x = 3 * (2 + 1)", "1. tea\n2. milk\n3. sugar", "去"])
def test_short_answers_say_something(text):
    assert not says_nothing(text)


@pytest.mark.parametrize(
    ("text", "figure", "least"),
    [
        ("bread and bread and bread and bread and bread and", "loop", 1.0),
        ("you are you are you are you are you are you are", "repeated", 0.6),
        ("ingThe ofTion qwErty leavE", "odd", 0.7),
        ("asdf qwlk zxmn rrtp vbnq", "unsaid", 0.8),
        ("дas иst дes мaн вon", "scripts", 0.9),
        ("a b c d e f", "alone", 1.0),
        ("so ###############", "marks", 1.0),
    ],
)
def test_each_kind_of_rubble_leaves_its_trace(text, figure, least):
    assert figures(text)[figure] >= least


def test_figures_lie_between_0_and_1_and_a_long_text_costs_no_more():
    texts = ["", "a", "word " * 9_999, "的" * 500, "\ud800", "👍" * 50, *SENTENCES.values()]
    assert all(0 <= value <= 1 for text in texts for value in shape(text))
    start, end = "s" * (READ // 2), "e" * (READ // 2)
    assert shape(f"{start}{'m ' * 9_999}{end}") == shape(f"{start} {end}")


def test_sentences_said_again_and_words_of_little_variety_are_told():
    again = figures("The fox came home. It rained a lot. The fox came home. It rained a lot.")
    assert again["again"] == 0.5
    dull = figures("the first is a friend of the second and the second is a friend of the first " * 4)
    assert dull["drones"] > 0.5
    assert all(figures(text)["again"] == figures(text)["drones"] == 0 for text in SENTENCES.values())
