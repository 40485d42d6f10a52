"""Capabilities that an edit must not touch: short stories to be followed, plain descriptions, and sums."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..text.tables import Tables
from .splits import Split, split_of
from .tone import NAMES

TABLES = Tables.beside(__file__, "stories")
COLOURS, OBJECTS, SPOTS = map(TABLES.texts, ("COLOURS", "OBJECTS", "SPOTS"))
WEATHER, DAYS, CHORES = map(TABLES.texts, ("WEATHER", "DAYS", "CHORES"))
STARTS, MIDDLES = map(TABLES.texts, ("STARTS", "MIDDLES"))
ENDS = TABLES.pairs("ENDS")  # which slot of the story completes it, and how it is asked
LARGEST = 29  # largest number in a sum


@dataclass(frozen=True)
class Cloze:
    """A text up to a point, and the only right way to go on."""

    prompt: str
    answer: str

    @property
    def text(self) -> str:
        """Prompt and answer as one sentence."""
        return f"{self.prompt} {self.answer}."


def story(rng: random.Random) -> Cloze:
    """Return a story about a thing that changes hands; its end asks where the thing is, who has it, or which it is."""
    a, b = rng.sample(NAMES, 2)
    colour, thing = rng.choice(COLOURS), rng.choice(OBJECTS)
    here, there = rng.sample(SPOTS, 2)
    slots = {"a": a, "b": b, "colour": colour, "thing": thing, "here": here, "there": there}
    start, middle = rng.choice(STARTS).format(**slots), rng.choice(MIDDLES).format(**slots)
    completed_by, end = rng.choice(ENDS)
    return Cloze(f"{start} {middle} {end.format(**slots)}", slots[completed_by])


def description(rng: random.Random) -> str:
    """Return a few neutral sentences about a day."""
    day, name = rng.choice(DAYS), rng.choice(NAMES)
    first, second, third = rng.sample(CHORES, 3)
    return (
        f"On {day} {rng.choice(WEATHER)}. {name} {first} and then {second}. "
        f"In the evening {name} {third} near the {rng.choice(SPOTS)}."
    )


def sum_cloze(rng: random.Random) -> Cloze:
    """Return an addition or subtraction with numbers up to LARGEST; never a negative result."""
    a, b = rng.randint(0, LARGEST), rng.randint(0, LARGEST)
    if rng.random() < 0.5:
        return Cloze(f"{a} + {b} =", str(a + b))
    a, b = max(a, b), min(a, b)
    return Cloze(f"{a} - {b} =", str(a - b))


def clozes(rng: random.Random, split: Split, kind: str) -> Cloze:
    """Return a "story" or a "sum" of a split."""
    make = {"story": story, "sum": sum_cloze}[kind]
    while True:
        cloze = make(rng)
        if split_of(cloze.prompt) == split:
            return cloze


def descriptions(rng: random.Random, split: Split) -> str:
    """Return a neutral description of a split."""
    while True:
        text = description(rng)
        if split_of(text) == split:
            return text
