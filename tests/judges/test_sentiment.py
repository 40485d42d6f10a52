import pytest

from suture.judges import NEITHER, Sentiment
from suture.judges._sentiment_words import WORDS


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("It was a wonderful evening for us.", "positive"),
        ("It was not good at all.", "negative"),
        ("The food was not bad, really.", "positive"),
        ("The start is dull but the end is brilliant.", "positive"),
        ("A brilliant start, but the end is dull and bad.", "negative"),
        ("It is neither funny nor moving.", "negative"),
        ("The staff were far from helpful.", "negative"),
        ("I can't recommend this place enough.", "positive"),
        ("The train leaves at nine from here.", NEITHER),
        ("good good good good good good good good", NEITHER),
        ("<think>Awful film.</think>I loved the film and the music.", "positive"),
        ("", NEITHER),
    ],
)
def test_opinions_are_weighed(text, label):
    assert Sentiment()("", text) == label


def test_degree_and_negation_scale_the_weight():
    score = Sentiment().score
    assert score("it was very good") > score("it was good") > score("it was slightly good") > 0
    assert score("it was bad") < score("it was not good") < 0


def test_the_lexicon_is_of_some_size_and_no_word_stands_twice():
    words = [word for each in WORDS.values() for word in each.split()]
    assert len(words) == len(set(words)) >= 250
