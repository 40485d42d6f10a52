"""How often free text gets stuck: the share of continuations that end in a loop of the same words."""

from __future__ import annotations

import re

from ..generation import Doses
from ..lm import LM
from ._score import Observation, Progress, Score, paired
from ._written import Cases, per_prompt, same_texts, write

TURNS = 3  # times that the words of a loop are said
SHORTEST = 6  # words that a loop takes at least, so that "no, no, no" is none
same_work = same_texts


def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Write texts; a value is the share of a prompt's that end in a loop."""
    return per_prompt(write(lm, cases, progress, doses), ends_in_loop)


def again(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    return per_prompt(made.texts, ends_in_loop)


def score(before: Observation, after: Observation) -> Score:
    """Compare the shares."""
    return paired(before, after)


def ends_in_loop(text: str) -> bool:
    """Return whether a text's last words are one phrase said TURNS times or more; a last word cut short is let go."""
    words = re.findall(r"\w+", text.lower())
    return any(_periodic(end) for end in (words, words[:-1]))


def _periodic(words: list[str]) -> bool:
    for period in range(1, len(words) // TURNS + 1):
        length = max(TURNS * period, SHORTEST)
        tail = words[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return True
    return False
