"""Opinions for and against the same things; 1 is negative.

Both attitudes share the openings and the number of sentences; the sentences are written in pairs of like length.
"""

from __future__ import annotations

import random

from ..examples import Labelled
from ._parts import Split, distinct, fill, grouped, listed, part, shuffled
from .opinions import CATEGORIES, Category

PER_OPENING = 7  # texts of each attitude for an opening
PROMPTS = 120  # a split
WORDS = grouped("attitude", "WORDS")
POSITIVE = listed("attitude", "POSITIVE")
NEGATIVE = listed("attitude", "NEGATIVE")
LEADS = listed("attitude", "LEADS")


def labelled(split: Split) -> list[Labelled]:
    """Return labelled texts: an opinion of each attitude about each thing, several times with other sentences."""
    rng = random.Random(f"attitude {split}")
    openings = _openings(split)

    def pair(number: int) -> tuple[str, ...]:
        category, opening = openings[number % len(openings)]
        special, generic = rng.choice(((1, 1), (2, 1), (1, 2)))
        return (
            _text(rng, split, opening, category.positive, POSITIVE, special, generic),
            _text(rng, split, opening, category.negative, NEGATIVE, special, generic),
        )

    pairs = distinct(PER_OPENING * len(openings), pair)
    return [Labelled(pair[label], label) for label in (0, 1) for pair in pairs]


def prompts(split: Split) -> list[str]:
    """Return neutral openings of opinions, to be continued."""
    rng = random.Random(f"attitude prompts {split}")
    openings = _openings(split)

    def prompt(number: int) -> tuple[str, ...]:
        return (f"{openings[number % len(openings)][1]} {rng.choice(part(LEADS, split))}",)

    return [text for (text,) in distinct(PROMPTS, prompt)]


def topics(split: Split) -> list[str]:
    """Return what both attitudes share: the openings."""
    return [opening for _, opening in _openings(split)]


def _openings(split: Split) -> list[tuple[Category, str]]:
    return [(category, opening) for category in CATEGORIES for opening in part(category.openings, split)]


def _text(
    rng: random.Random, split: Split, opening: str, specific: list[str], pool: list[str], special: int, generic: int
) -> str:
    sentences = rng.sample(part(specific, split), special) + rng.sample(part(pool, split), generic)
    rng.shuffle(sentences)
    words = shuffled(rng, WORDS)
    words |= {key.title(): [word.capitalize() for word in words[key][:9]] for key in WORDS}
    return fill(" ".join((opening, *sentences)), words)
