"""How phases lie in each other, and what is counted in them."""

import pytest

from suture.text.phase import begin, begins, counted, numbered, parts, phase_of, within


@pytest.fixture
def told():
    """A progress, and what it was told."""
    steps = []
    return lambda *step: steps.append(step), steps


def test_phases_lie_in_each_other_and_the_innermost_counts(told):
    progress, steps = told
    outer = within(progress, "pass 2 of 3 edited")
    inner = within(outer, numbered(5, 16, "success", "measure"))
    begin(inner, of=40)
    inner("texts", 8, 40)
    begin(outer)
    assert steps == [
        ("pass 2 of 3 edited, measure 5 of 16 success: ", 0, 40),
        ("pass 2 of 3 edited, measure 5 of 16 success: texts", 8, 40),
        ("pass 2 of 3 edited: ", 0, 0),
    ]
    assert [phase_of(what) for what, _, _ in steps[:2]] == ["pass 2 of 3 edited, measure 5 of 16 success"] * 2
    assert [begins(what) for what, _, _ in steps] == [True, False, True]


@pytest.mark.parametrize(
    ("what", "phase"),
    [
        ("tensors: model.layers.0.mlp", "tensors"),
        ("texts", "texts"),
        ("a: b: c", "a: b"),
        ("patient:tone", "patient:tone"),
    ],
)
def test_the_phase_stands_before_the_last_colon(what, phase):
    assert phase_of(what) == phase


def test_phases_are_counted(told):
    progress, steps = told
    for step in counted(progress, ["read", "fit"]):
        step("things", 1, 1)
    assert [what for what, _, _ in steps] == ["phase 1 of 2 read: things", "phase 2 of 2 fit: things"]


def test_parts_of_a_phase_count_to_the_whole(told):
    progress, steps = told
    for size, step in zip((3, 1, 2), parts(progress, [3, 1, 2]), strict=True):
        for done in range(1, size + 1):
            step("answers", done, size)
    assert steps == [("answers", done, 6) for done in range(1, 7)]


def test_nobody_listens():
    assert within(None, "a") is None
    assert counted(None, ["a", "b"]) == [None, None]
    assert parts(None, [1, 2]) == [None, None]
    begin(None, "a")
