import pytest

from suture.text.repetition import echoes, entropy, repeats, variety


def test_repeats_are_where_a_phrase_ends_that_stood_before():
    words = "a b c d a b c e a b c".split()
    assert repeats(words) == [6, 10]
    assert repeats(words, order=4) == []
    assert repeats("x x x x".split(), order=2) == [2, 3]


def test_variety_is_a_share_whatever_the_length():
    for count in (4, 12, 40):
        assert variety(" ".join(f"w{i}" for i in range(count))) == pytest.approx(1)
    assert variety("so so so so so so so so") == 0
    assert 0 < variety("we go home and we go home and we go") < 1
    assert variety("") == variety("word") == 1
    assert entropy("") == 0


def test_an_echo_says_mostly_what_is_said_to_other_prompts():
    happy = "I am so happy to be my family and so proud of my life"
    texts = [
        [happy],
        [happy.replace("life", "team")],
        ["The mantis is a large insect that lives in warm countries"],
        ["So it is."],
    ]
    assert echoes(["a", "b", "c", "d"], texts) == [[True], [True], [False], [False]]
    assert echoes(["a", "a", "c", "d"], texts) == [
        [False],
        [False],
        [False],
        [False],
    ]  # of one prompt they may be alike
    assert echoes([], []) == []
