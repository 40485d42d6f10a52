"""How long it still takes, as it is said where there is no terminal."""

import re

import pytest

from suture.cli import _console


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    now = [100.0]
    monkeypatch.setattr(_console.time, "monotonic", lambda: now[0])
    return now


def left(said):
    return [int(found) for found in re.findall(r"about (\d+) s left", said)]


def test_the_time_left_of_each_part_is_its_own(clock, capsys):
    step = _console._plain("measuring")
    for _ in range(5):  # five measures of 32 prompts, in batches of 8 that take 10 seconds each
        for done in (8, 16, 24, 32):
            clock[0] += 10
            step("texts", done, 32)
    assert left(capsys.readouterr().err) == [30, 20, 10, 0] * 5


def test_a_part_that_begins_with_all_of_a_smaller_one_has_its_own_time(clock, capsys):
    step = _console._plain("measuring")
    clock[0] += 100
    step("texts", 10, 10)
    clock[0] += 10
    step("answers", 10, 20)  # as many as were done before
    assert left(capsys.readouterr().err) == [0, 10]
