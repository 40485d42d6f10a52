import pytest

from suture.serve.detokenizer import IncrementalDetokenizer


def spoken(tokens, text_of, stops=()):
    """The pieces that are told as ids 0, 1, ... arrive; `text_of` maps how many there are to the text."""
    speech = IncrementalDetokenizer(lambda ids: text_of(len(ids)), stops)
    pieces = []
    for token in range(tokens):
        pieces.append(speech.hear(token))
        if speech.stopped:
            return pieces, speech
    return [*pieces, speech.close()], speech


def test_pieces_are_the_text():
    pieces, _ = spoken(3, lambda n: ["", "Hel", "Hello", "Hello you"][n])
    assert pieces == ["Hel", "lo", " you", ""]


def test_half_a_character_waits_for_the_other_half():
    pieces, _ = spoken(3, lambda n: ["", "a\ufffd", "aé", "aé!"][n])
    assert pieces == ["a", "é", "!", ""]
    pieces, _ = spoken(2, lambda n: ["", "a", "a\ufffd"][n])
    assert "".join(pieces) == "a\ufffd"  # it never came


@pytest.mark.parametrize("stops", [["END"], ["never", "END"]])
def test_a_stop_string_over_several_tokens_is_not_told(stops):
    pieces, speech = spoken(4, lambda n: ["", "ok E", "ok EN", "ok END and", "ok END and more"][n], stops)
    assert "".join(pieces) == "ok "
    assert speech.stopped


def test_what_only_began_like_a_stop_string_is_told():
    pieces, speech = spoken(3, lambda n: ["", "E", "EN", "ENough"][n], ["END"])
    assert pieces == ["", "", "ENough", ""]
    assert not speech.stopped


def test_the_first_of_several_stop_strings_ends_the_text():
    pieces, _ = spoken(1, lambda n: ["", "one two three"][n], ["three", "two"])
    assert pieces == ["one "]
