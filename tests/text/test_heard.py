"""Loops inside of methods tell how far they are to whoever listens, and to nobody otherwise."""

import pytest

from suture.data.examples import Fact
from suture.methods.rome import rome
from suture.methods.surgery import surgery
from suture.text.heard import heard_by, tell


def test_who_listens_hears_what_is_told_inside_of_the_block_alone():
    calls, inner = [], []
    tell("steps", 0, 2)
    with heard_by(lambda *call: calls.append(call)):
        tell("steps", 1, 2)
        with heard_by(lambda *call: inner.append(call)):
            tell("texts", 5, 9)
        with heard_by(None):
            tell("unheard", 1, 1)
        tell("steps", 2, 2)
    tell("steps", 3, 2)
    assert calls == [("steps", 1, 2), ("steps", 2, 2)]
    assert inner == [("texts", 5, 9)]


def test_a_listener_is_gone_when_the_block_fails():
    calls = []
    with pytest.raises(KeyError), heard_by(lambda *call: calls.append(call)):
        raise KeyError
    tell("steps", 1, 1)
    assert not calls


def test_methods_tell_texts_and_steps(llama, behaviour):
    calls = []
    with heard_by(lambda *call: calls.append(call)):
        surgery(llama, behaviour, rows=20)
    assert calls[-1][0] == "texts"
    assert calls[-1][1] == calls[-1][2] > 0
    calls.clear()
    with heard_by(lambda *call: calls.append(call)):
        rome(llama, [Fact("The capital of France is", "France", "Lyon")], layer=1, steps=3)
    assert [call for call in calls if call[0] == "steps"] == [("steps", done, 3) for done in range(4)]  # 0: it begins
