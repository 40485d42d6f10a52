"""A call of a method is bound: what it was called with is known while it runs, and nothing else."""

from pathlib import Path
from typing import Literal

import pytest

from suture import registry
from suture.data.examples import Texts
from suture.errors import UsageError


def test_the_first_argument_must_be_the_model():
    with pytest.raises(TypeError, match="first argument"):
        registry.method(lambda model: None)


def test_a_word_that_is_no_choice_is_refused_from_python_too():
    @registry.method
    def mine(lm, *, toward: Literal["wanted", "unwanted"] = "wanted", parity: Literal["paper"] | None = None):
        return registry.settings()

    assert mine(None, toward="unwanted") == {"toward": "unwanted", "parity": None}
    assert mine(None, parity="paper")["parity"] == "paper"
    with pytest.raises(UsageError, match="toward is not 'wantd'") as caught:
        mine(None, toward="wantd")
    assert "'wanted', 'unwanted'" in caught.value.fix
    with pytest.raises(UsageError, match="parity is not 7"):
        mine(None, parity=7)


def test_settings_are_those_of_the_call_that_runs_and_are_gone_after_it():
    @registry.method
    def inner(lm, *, steps: int = 1):
        return registry.settings()

    @registry.method
    def outer(lm, *, rate: float = 0.5):
        return inner(lm, steps=7), registry.settings()

    assert outer(None) == ({"steps": 7}, {"rate": 0.5})
    with pytest.raises(LookupError):
        registry.settings()


def test_settings_are_gone_also_after_an_error():
    @registry.method
    def failing(lm, *, rate: float = 0.5):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing(None)
    with pytest.raises(LookupError):
        registry.settings()


def test_objects_and_files_are_no_settings():
    @registry.method
    def mine(
        lm, *, keep: Texts | None = None, cache: Path | None = None, many: list[Texts] | None = None, rank: int = 2
    ):
        return registry.settings()

    assert mine(None, keep=Texts(["a"]), cache=Path("x"), many=[]) == {"rank": 2}
