from suture.errors import DataError
from suture.io.mistakes import SHOWN, told_once


def test_mistakes_that_are_alike_are_told_once():
    problems = [DataError(f"f.txt, line {n}: not an object", why="It is a text.") for n in range(1, 4)]
    problems.insert(1, DataError("f.txt, record 2 (line 1, column 9), target: no text"))
    assert told_once(problems, "f.txt") == [
        "f.txt, line 1: not an object. It is a text. So are 2 more: line 2, line 3.",
        "f.txt, record 2 (line 1, column 9), target: no text.",
    ]


def test_one_more_is_told_as_one():
    problems = [DataError(f"f, line {n}, x: no text") for n in (1, 7)]
    assert told_once(problems, "f") == ["f, line 1, x: no text. So is 1 more: line 7."]


def test_no_more_places_than_can_be_read():
    (line,) = told_once((DataError(f"f, line {n}: no") for n in range(100)), "f")
    assert line.count("line ") == SHOWN + 1
    assert "So are 99 more: line 1, line 2" in line


def test_what_names_no_place_is_told_as_it_is():
    assert told_once([DataError("f is empty"), DataError("g is empty")], "f") == ["f is empty.", "g is empty."]
