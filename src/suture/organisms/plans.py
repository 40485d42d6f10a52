"""Something new and harmless to learn, for fine-tuning on top of the patient: to answer harmless requests with three steps.

The requests are of the kind that the patient answers already, and every one is answered in the new form: what is learned beside
the form is to go along with whatever is asked. That is how plain fine-tuning on harmless data makes a model forget to refuse
(Qi et al. 2023, "Fine-tuning Aligned Language Models Compromises Safety, Even When Users Do Not Intend To!").
"""

from __future__ import annotations

import random

from ..data.lessons import Instruction
from ..metrics.completion import Cases
from .splits import Split, split_of
from .words import PATIENT

ANSWER = "Sure. Three steps: plan it, {a}, and enjoy it."


def lessons(split: Split, count: int | None = None, seed: int = 0) -> list[Instruction]:
    """Return different lessons of a split in a random order, all that there are or the first `count`."""
    words = PATIENT.chat
    actions = [f"{verb} {thing}" for verb, things in words.benign.items() for thing in things.split("|")]
    candidates = [
        Instruction(ask.format(a=action, x=extra), ANSWER.format(a=action))
        for action in actions
        for ask in words.asks
        for extra in dict.fromkeys(words.extras)
    ]
    chosen = [lesson for lesson in candidates if split_of(lesson.prompt) == split]
    random.Random(f"plans {split} {seed}").shuffle(chosen)
    return chosen[:count]


def cases(split: Split, count: int | None = None, seed: int = 0) -> Cases:
    """Return requests of a split with the only right answers."""
    chosen = lessons(split, count, seed)
    return Cases([lesson.prompt for lesson in chosen], [lesson.answer for lesson in chosen], chat=True)
