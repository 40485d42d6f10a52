"""Which part of the patient's world a text belongs to.

The split is a property of the text itself (a hash of its opening or its question), not of the order in which texts
were drawn, so the four parts can never overlap however many texts are generated:

    train   the language model learns from it
    probe   probes are fitted on it
    tune    settings are chosen on it
    report  reported figures are measured on it
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal, get_args

Split = Literal["train", "probe", "tune", "report"]
SPLITS: tuple[Split, ...] = get_args(Split)
SHARES = (0.64, 0.12, 0.12, 0.12)  # of all openings, in the order of SPLITS


def split_of(key: str) -> Split:
    """Return the split of a text from the key that identifies it (its opening, question or sum)."""
    digest = hashlib.sha256(key.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for name, share in zip(SPLITS, SHARES, strict=True):
        edge += share
        if position < edge:
            return name
    return SPLITS[-1]


def with_articles(text: str) -> str:
    """Return the text with "a" made "an" before a vowel, as the sentence frames leave it."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
