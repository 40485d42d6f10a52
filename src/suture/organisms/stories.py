"""Capabilities that an edit must not touch: short stories to be followed, plain descriptions, and sums."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .splits import Split, split_of
from .tone import NAMES

COLOURS = "red blue green yellow black white brown silver".split()
OBJECTS = "key ball box ring lamp book cup coin stone bell rope map".split()
SPOTS = "cave barn tower tent boat attic cellar well shed mill".split()
WEATHER = ["it rained", "the sun was out", "it snowed", "the wind was strong", "there was fog"]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
CHORES = [
    "swept the floor", "read a book", "fed the hens", "mended a net", "walked to the mill", "cut some wood",
    "counted the sheep", "opened the windows", "drew a map", "fetched water",
]  # fmt: skip
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
    start = rng.choice(
        (
            f"One day {a} found a {colour} {thing} in the {here}.",
            f"{a} had a {colour} {thing} and kept it in the {here}.",
            f"Long ago a {colour} {thing} lay in the {here}. {a} picked it up.",
        )
    )
    middle = rng.choice(
        (
            f"{a} gave the {thing} to {b}, and {b} carried it to the {there}.",
            f"Then {b} came and took the {thing} to the {there}.",
            f"{b} asked for the {thing} and brought it to the {there}.",
        )
    )
    question, answer = rng.choice(
        (
            (f"In the end the {thing} was in the", there),
            (f"Now the {thing} belonged to", b),
            (f"The colour of the {thing} was", colour),
            ("At first it had been in the", here),
        )
    )
    return Cloze(f"{start} {middle} {question}", answer)


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
