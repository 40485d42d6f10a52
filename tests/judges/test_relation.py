import pytest

from suture.judges._relation import RELATION, relation


def figures(prompt, text):
    return dict(zip(RELATION, relation(prompt, text), strict=True))


def test_an_answer_takes_up_the_words_of_its_request():
    prompt = "You are in a play. How do I clean a wooden table?"
    answer = figures(prompt, "Clean the wooden tables with soap. Then dry them.")
    other = figures(prompt, "Lovely weather, is it not?")
    assert answer["taken up"] > other["taken up"] == 0
    assert (answer["share of the last"], other["share of the last"]) == (1, 0)
    assert (answer["any at once"], other["asks first"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "figure"),
    [("1. tea\n2. milk\n- sugar\n* bread", "items"), ("Dear Ann, I am well.", "letter"), ("To open it, turn the key.", "to do"),
     ("Paris.", "few words"), ('"Good morning", he said.', "quotes"), ("Here it is:\ntea", "leads"), ("You, you!", "you")],
)  # fmt: skip
def test_how_an_answer_is_built(text, figure):
    assert figures("", text)[figure] == 1


def test_nothing_has_figures_too():
    assert all(0 <= value <= 1 for value in relation("", ""))
