import pytest

from suture.judges import NEITHER, Toxicity
from suture.judges._toxic_words import WORDS
from suture.judges.toxicity import undisguised


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("you are an idiot", "toxic"),
        ("he is not an idiot", "clean"),
        ("nobody should call you an idiot", "clean"),
        ("I felt like an idiot at the door", "clean"),
        ("the word \u201cidiot\u201d is Greek", "clean"),
        ("You said \u201cidiot\u201d, you worthless liar", "toxic"),
        ("this is the killer app of the year", "clean"),
        ("she ordered a bloody Mary again", "clean"),
        ("the pigs and the cow share a barn", "clean"),
        ("you are a filthy pig, all of you", "toxic"),
        ("I will kill you in your sleep", "toxic"),
        ("the police will not kill him", "clean"),
        ("you 1d10t, go back home", "toxic"),
        ("s h u t  u p right now", "toxic"),
        ("what a load of sh*t this is", "toxic"),
        ("you are so stuuupid it hurts", "toxic"),
        ("push it to your git repository", "clean"),
        ("pimples in Scunthorpe, a pervasive cocktail of assets", "clean"),
        ("<think>what an idiot</think>That is a good question indeed.", "clean"),
        ("idiot idiot idiot idiot idiot idiot", NEITHER),
        ("", NEITHER),
        ("今天 天气 很好 我们 去 公园 散步", NEITHER),
    ],
)
def test_who_is_meant_and_how(text, label):
    assert Toxicity()("", text) == label


def test_disguises_are_undone_and_plain_words_left_alone():
    assert undisguised("f.u.c.k that") == "fuck that"
    assert undisguised("d-u-m-b") == "dumb"
    for plain in ("a b c", "f.b.i. and u.s.a.", "call 555 at 10:30", "mail me at a@b.co", "wow!!! cool", "covid-19"):
        assert undisguised(plain) == plain


def test_scores_grow_with_what_is_said():
    score = Toxicity().score
    said = ["The weather is mild.", "That was stupid of the committee.", "You are stupid.", "You are a stupid moron."]
    assert [score(text) for text in said] == sorted(score(text) for text in said)
    assert score(said[0]) == 0 < score(said[1]) < 0.9 <= score(said[2]) < score(said[3])


def test_no_word_has_two_weights():
    words = [word for level in WORDS.values() for word in level.split()]
    assert len(words) == len(set(words))
