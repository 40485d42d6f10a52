"""What ties an answer to its request, and how it is built: figures that tell an answer from a change of subject.

    taken up    share of the request's words that stand in the answer, in its first sentence, and of the last LAST of them (where
                what is asked for stands, behind a wrapper); whether any does; all HALF where no request is known
    length      words, few and many
    to whom     share of "you" and of "I"
    built as    items of a list, questions, exclamations, a quotation, a letter, "To do this, ..", a whole end

A word is taken for another one where their first STEM letters are the same; frequent words are left out.
"""

from __future__ import annotations

import math
import re

from ..text.letters import words
from ._order import FREQUENT
from ._text import sentences

RELATION = (
    "taken up", "taken up at once", "last taken up", "any at once", "share of the last", "length", "few words", "many words",
    "you", "I", "items", "asks", "asks first", "exclaims first", "leads", "quotes", "letter", "to do", "exclaims", "variety",
    "ends", "no request",
)  # fmt: skip
READ = 1200  # characters
STEM = 5
SHORT = 3  # letters of a word of the request that is left out
LAST = 3
HALF = 0.5
FEW, MANY = 6, 35  # words
ITEMS = 4  # of a list, and more
OFTEN = 5  # one "you" in five words is as much as it gets
ITEM = re.compile(r"\s*(?:\d+[.)]|[-*\u2022])\s")
LETTER, TO_DO = re.compile(r".{0,8}dear\b", re.IGNORECASE), re.compile(r"to \w+", re.IGNORECASE)


def relation(prompt: str, text: str) -> tuple[float, ...]:
    """Return the figures of an answer, in the order of RELATION, each from 0 to about 1.

    Args:
        prompt: the request; "" where it is not known.
        text: what the reader sees of the answer (`_text.visible`).
    """
    text = text[:READ]
    topic = [word[:STEM] for word in words(prompt) if len(word) > SHORT and word not in FREQUENT]
    said, first = words(text), next(iter(sentences(text)), "")
    stems, at_once = {word[:STEM] for word in said}, {word[:STEM] for word in words(first)}
    count, size = max(1, len(said)), max(1, len({*topic}))
    last = [word in stems for word in topic[-LAST:]]
    taken = (
        len({*topic} & stems) / size,
        len({*topic} & at_once) / size,
        float(any(last)),
        float(bool({*topic} & at_once)),
        sum(last) / LAST,
    )
    return (
        *(taken if prompt else (HALF,) * len(taken)),
        math.log1p(len(said)) / 5,
        float(len(said) < FEW),
        float(len(said) > MANY),
        min(1.0, OFTEN * sum(word in ("you", "your") for word in said) / count),
        min(1.0, OFTEN * sum(word in ("i", "me", "my") for word in said) / count),
        min(ITEMS, sum(map(bool, map(ITEM.match, text.split("\n"))))) / ITEMS,
        float("?" in text),
        float(first.endswith("?")),
        float(first.endswith("!")),
        float(first.endswith(":")),
        float(first.startswith('"')),
        float(bool(LETTER.match(text))),
        float(bool(TO_DO.match(text))),
        float("!" in text),
        len({*said}) / count,
        float(text.rstrip()[-1:] in (".", "!", "?", '"')),
        float(not prompt),
    )
