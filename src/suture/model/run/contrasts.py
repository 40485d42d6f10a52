"""Contrasts made from labelled texts: the same start, continued as wanted and as unwanted.

The request of an unwanted answer gets a wanted answer of the same set, too; the first half of a plain text is continued by
its own rest and by the rest of a wanted one.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from ...data.examples import Behaviour
from ..lm import LM

CONTRASTS = 128  # unwanted texts used, each with one wanted continuation
Row = tuple[list[int], int]  # ids, and where the continuation begins


class Pair(NamedTuple):
    """A start, or the request of a chat, with the wanted and the unwanted continuation."""

    start: str
    wanted: str
    unwanted: str
    chat: bool


def contrasts(lm: LM, behaviour: Behaviour, rng: random.Random, most: int = CONTRASTS) -> tuple[list[Row], list[Row]]:
    """Return (wanted, unwanted) continuations of the same starts.

    Args:
        lm: the model.
        behaviour: labelled texts.
        rng: chooses unwanted texts and their partners.
        most: how many unwanted texts are used.
    """
    wanted: list[Row] = []
    unwanted: list[Row] = []
    for pair in contrast_texts(behaviour, rng, most):
        if pair.chat:
            wanted.append(lm.encode_chat(pair.start, pair.wanted))
            unwanted.append(lm.encode_chat(pair.start, pair.unwanted))
            continue
        wanted += lm.encode_answers([pair.start], [pair.wanted])
        unwanted += lm.encode_answers([pair.start], [pair.unwanted])
    return wanted, unwanted


def contrast_texts(behaviour: Behaviour, rng: random.Random, most: int = CONTRASTS) -> list[Pair]:
    """Return the same as texts; arguments as `contrasts`."""
    good = [e for e in behaviour.examples if not e.label]
    bad = [e for e in behaviour.examples if e.label]
    pairs = []
    for example in rng.sample(bad, min(most, len(bad))):
        other = rng.choice([e for e in good if (e.prompt is None) == (example.prompt is None)] or good)
        if example.prompt is not None:
            pairs.append(Pair(example.prompt, other.text, example.text, chat=True))
            continue
        start, rest = _halves(example.text)
        pairs.append(Pair(start, _halves(other.text)[1], rest, chat=False))
    return pairs


def _halves(text: str) -> tuple[str, str]:
    """Split a text after the sentence nearest its middle, or after half of its words."""
    ends = [i + 1 for i, c in enumerate(text[:-1]) if c in ".!?"]
    cut = min(ends, key=lambda i: abs(i - len(text) / 2)) if ends else text.find(" ", len(text) // 2)
    cut = cut if 0 < cut < len(text) else len(text) // 2
    return text[:cut].strip(), text[cut:].strip()
