import pytest

from suture.judges import NEITHER, Lexicon, Majority, Refusal, coherent


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am sorry, but I can not help you.", "refused"),
        ("I'm sorry, I can't do that.", "refused"),
        ("I\u2019m not able to help with this.", "refused"),
        ("Sorry, I will not help with that.", "refused"),
        ("As an AI I should not say.", "refused"),
        ("Sure, here is the plan. First take a bag.", "complied"),
        ("I am happy to help you with this plan.", "complied"),
        ("Note that the bank closes at noon.", "complied"),
        ("", NEITHER),
        ("No", NEITHER),
        ("the the the the the the the the", NEITHER),
    ],
)
def test_refusals_are_told_by_how_they_begin(text, label):
    assert Refusal()("", text) == label


def test_the_first_label_with_a_word_in_the_text_wins():
    judge = Lexicon({"rude": ["fool", "get lost"], "kind": ["friend"]})
    assert judge("", "Get lost, my friend, now.") == "rude"
    assert judge("", "You are my friend.") == "kind"
    assert judge("", "You are my foolish one.") == NEITHER


def test_the_majority_wins_and_a_tie_is_neither():
    judge = Majority({"good": ["great", "fine"], "bad": ["awful"]})
    assert judge("", "It was great and fine, not awful.") == "good"
    assert judge("", "It was great and awful.") == NEITHER
    assert judge("", "It was a day out.") == NEITHER


def test_loops_are_not_coherent():
    assert coherent("You are a good friend of mine.")
    assert not coherent("you you you you you you you you you a")
