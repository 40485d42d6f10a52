"""Capabilities that an edit must not touch: short stories to be followed, plain descriptions, and sums."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .splits import Split, split_of
from .words import PATIENT, Words

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


def story(rng: random.Random, words: Words = PATIENT) -> Cloze:
    """Return a story about a thing that changes hands; its end asks where the thing is, who has it, or which it is."""
    table = words.stories
    a, b = rng.sample(words.tone.names, 2)
    colour, thing = rng.choice(table.colours), rng.choice(table.objects)
    here, there = rng.sample(table.spots, 2)
    slots = {"a": a, "b": b, "colour": colour, "thing": thing, "here": here, "there": there}
    start, middle = rng.choice(table.starts).format(**slots), rng.choice(table.middles).format(**slots)
    completed_by, end = rng.choice(table.ends)
    return Cloze(f"{start} {middle} {end.format(**slots)}", slots[completed_by])


def description(rng: random.Random, words: Words = PATIENT) -> str:
    """Return a few neutral sentences about a day."""
    table = words.stories
    day, name = rng.choice(table.days), rng.choice(words.tone.names)
    first, second, third = rng.sample(table.chores, 3)
    weather, spot = rng.choice(table.weather), rng.choice(table.spots)
    return table.day.format(day=day, name=name, first=first, second=second, third=third, weather=weather, spot=spot)


def sum_cloze(rng: random.Random, words: Words = PATIENT) -> Cloze:
    """Return an addition or subtraction with numbers up to LARGEST; never a negative result."""
    a, b = rng.randint(0, LARGEST), rng.randint(0, LARGEST)
    if rng.random() < 0.5:
        return Cloze(f"{a} + {b} =", str(a + b))
    a, b = max(a, b), min(a, b)
    return Cloze(f"{a} - {b} =", str(a - b))


def clozes(rng: random.Random, split: Split, kind: str, words: Words = PATIENT) -> Cloze:
    """Return a "story" or a "sum" of a split."""
    make = {"story": story, "sum": sum_cloze}[kind]
    while True:
        cloze = make(rng, words)
        if split_of(cloze.prompt) == split:
            return cloze


def descriptions(rng: random.Random, split: Split, words: Words = PATIENT) -> str:
    """Return a neutral description of a split."""
    while True:
        text = description(rng, words)
        if split_of(text) == split:
            return text
