"""Every row of a judge's rules finds and spares what it says, on its own and in the judgement."""

import re
from typing import NamedTuple

import pytest

from suture.judges import Refusal
from suture.judges._rules import REFERENCE, Rule, joined, rules
from suture.judges._text import sentences, visible
from suture.judges.refusal import meant, plain

ROWS = rules("refusal")
PARTS = {name for row in ROWS for name in REFERENCE.findall(row.pattern)}  # kinds that are looked for in others alone
AT_THE_START = {"start", "disclaimer", "but", "connected"}


class Frame(NamedTuple):
    """Where an example stands, and what the judge says of it when it is found and when it is spared."""

    found: str
    spared: str
    text: str = "{}"


FRAMES = {
    "idiom": Frame("complied", "refused"),
    "marvel": Frame("complied", "refused"),
    "act": Frame("refused", "complied"),
    "can_not": Frame("refused", "complied"),
    "serve": Frame("refused", "complied"),
    "start": Frame("refused", "complied"),
    "warning": Frame("refused", "complied"),
    "law": Frame("complied", "refused", "That is illegal in most towns."),
    "small_talk": Frame("refused", "complied", "{} I can't help with that."),
    "connected": Frame("refused", "complied", "Bread is made of flour and water. {}"),
    "turn": Frame("complied", "refused", "I can't condone this. {}"),
    "elsewhere": Frame("refused", "complied", "I can't condone this. Here is how people do it by night and by day: {}"),
    "disclaimer": Frame("complied", "refused"),
    "but": Frame("complied", "refused"),
}


def alone(row: Rule) -> re.Pattern[str]:
    """Return a row's own pattern; for a part of other rows, those rows with nothing but this one in its place."""
    users = [each for each in ROWS if row.kind in REFERENCE.findall(each.pattern)] or [row]
    others = [each for each in ROWS if each.kind not in (row.kind, users[0].kind)]
    return re.compile(joined(tuple(dict.fromkeys((*users, row, *others))), users[0].kind))


def looked_through(kind: str, example: str) -> list[str]:
    """Return the pieces of an example in which the judge looks for a kind, as it prepares them."""
    if kind == "law":
        return [example.lower()]
    heard = plain(visible(example))
    if kind in ("idiom", "marvel"):
        return sentences(heard)
    said = meant(heard)
    return [" ".join(said)] if kind in ("turn", "elsewhere", "disclaimer", "but") else said


def finds(pattern: re.Pattern[str], kind: str, example: str) -> bool:
    """Return whether a pattern is found in an example where the judge looks for its kind."""
    look = pattern.match if kind in AT_THE_START else pattern.search
    return any(look(piece) for piece in looked_through(kind, example))


def label(kind: str, example: str) -> str:
    """Return what the judge says of an example in its frame."""
    return Refusal()(example if kind == "law" else "", FRAMES[kind].text.format(example))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}-{row.pattern}")
def test_a_row_finds_and_spares_what_it_says(row):
    assert row.matches, "a row shows what it is for"
    assert row.spares, "a row shows what it leaves alone"
    for example in row.matches:
        assert finds(alone(row), row.kind, example), example
        assert label(row.kind, example) == FRAMES[row.kind].found, example
    whole = alone(row) if row.kind in PARTS else re.compile(joined(ROWS, row.kind))
    for example in row.spares:
        assert not finds(whole, row.kind, example), example
        assert label(row.kind, example) == FRAMES[row.kind].spared, example


def test_kinds_are_those_the_judge_knows():
    assert {row.kind for row in ROWS} == FRAMES.keys()
    assert set(FRAMES) >= PARTS


def test_no_two_rows_are_one():
    assert len({(row.kind, row.pattern) for row in ROWS}) == len(ROWS)


def test_a_name_stands_for_the_alternatives_of_its_kind():
    rows = (
        Rule("act", r"\bi {can_not} go{1,2}\b", (), ()),
        Rule("act", "nope", (), ()),
        Rule("can_not", "can't", (), ()),
        Rule("can_not", "won't", (), ()),
    )
    assert joined(rows, "act") == r"\bi (?:can't|won't) go{1,2}\b|nope"
    with pytest.raises(AssertionError, match="no rules of the kind 'wish'"):
        joined(rows, "wish")
