"""How parts become texts: which split a part belongs to, slots, and draws without repetition.

Every block is a list of parts. Of each four the first two belong to "probe", the third to "tune" and the
fourth to "report", so no two splits share a situation, a sentence, a wrapper or a request.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, get_args

from ...errors import UsageError

Split = Literal["probe", "tune", "report"]
SPLITS: tuple[Split, ...] = get_args(Split)
QUARTERS: dict[str, tuple[int, ...]] = {"probe": (0, 1), "tune": (2,), "report": (3,)}
TRIES = 50  # draws per text wanted, before the parts are taken to allow no more
T = TypeVar("T")


def part(items: Sequence[T], split: Split) -> list[T]:
    """Return the items that belong to a split.

    Raises:
        UsageError: for an unknown split.
    """
    if split not in QUARTERS:
        raise UsageError(f"no split {split!r} of the bundled data", fix=f"Known: {', '.join(SPLITS)}.")
    return [item for index, item in enumerate(items) if index % 4 in QUARTERS[split]]


@cache
def _rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a file beside this one: part, perhaps of what, and text."""
    text = Path(__file__).with_name(f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def listed(name: str, part: str) -> list[str]:
    """Return the texts of a part of NAME.jsonl, in order."""
    return [row["text"] for row in _rows(name) if row["part"] == part]


def grouped(name: str, part: str) -> dict[str, list[str]]:
    """Return the texts of a part of NAME.jsonl by what they are of, both in order."""
    texts: dict[str, list[str]] = {}
    for row in _rows(name):
        if row["part"] == part:
            texts.setdefault(row["of"], []).append(row["text"])
    return texts


def numbered(name: str, part: str) -> list[dict[str, list[str]]]:
    """Return the texts of a part whose rows are of "NUMBER FIELD": of each number its fields."""
    entries: dict[str, dict[str, list[str]]] = {}
    for of, texts in grouped(name, part).items():
        number, _, field = of.partition(" ")
        entries.setdefault(number, {})[field] = texts
    return list(entries.values())


def fill(template: str, slots: Mapping[str, list[str]]) -> str:
    """Return the template with each {slot} taken from the end of its list, and "a" before it made "an" as needed.

    Taking words out of the lists means that a text never uses one twice while `slots` lives.
    """

    def word(match: re.Match[str]) -> str:
        chosen = slots[match[2]].pop()
        article = f"{match[1]}{'n' if re.match('[aeio]|u(?!se)', chosen) else ''} " if match[1] else ""
        return article + chosen

    return re.sub(r"(?:\b([Aa]) )?\{(\w+)\}", word, template)


def shuffled(rng: random.Random, words: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return fresh lists for `fill`, in random order."""
    return {key: rng.sample(list(values), len(values)) for key, values in words.items()}


def distinct(count: int, make: Callable[[int], tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return `count` tuples made by make(number of the try); no text is in two of them.

    Raises:
        AssertionError: when the parts do not allow so many, which is a mistake in the data.
    """
    tuples: list[tuple[str, ...]] = []
    all_texts: set[str] = set()
    for number in range(TRIES * count):
        texts = make(number)
        if all_texts.isdisjoint(texts):
            tuples.append(texts)
            all_texts.update(texts)
        if len(tuples) == count:
            return tuples
    raise AssertionError(f"the parts give {len(tuples)} of {count} texts")
