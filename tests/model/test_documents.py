"""Short texts joined to long ones."""

import pytest

from suture.model.run import documents as module
from suture.model.run.documents import ALONE, TOGETHER, documents

TEXTS = [f"The {number}. cat sat on the mat." for number in range(3 * (ALONE + TOGETHER) + 5)]


def test_every_other_eight_are_joined_and_nothing_is_lost(llama):
    made = documents(llama, TEXTS)
    assert "\n\n".join(made).split("\n\n") == TEXTS
    assert sum("\n\n" in text for text in made) >= 3
    assert made[:ALONE] == TEXTS[:ALONE]
    assert made[-5:] == TEXTS[-5:]


@pytest.mark.parametrize("count", [0, 3, 8, 14, 16, 20, 30, 40])
def test_the_beginning_of_texts_gives_the_beginning_of_their_documents(llama, count):
    few = documents(llama, TEXTS[:count])
    whole = documents(llama, TEXTS)
    assert few[:-1] == whole[: len(few)][:-1]
    assert not few or whole[len(few) - 1].startswith(few[-1])
    assert not set(TEXTS[:count]) & set("\n\n".join(whole[len(few) :]).split("\n\n"))


def test_none_is_longer_than_the_model_reads(llama, monkeypatch):
    monkeypatch.setattr(module, "context", lambda lm: 60)
    made = documents(llama, TEXTS)
    assert "\n\n".join(made).split("\n\n") == TEXTS
    assert max(len(llama.encode(text)) for text in made) <= 60
    long = "word " * 200
    assert documents(llama, [long] * 16) == [long] * 16
