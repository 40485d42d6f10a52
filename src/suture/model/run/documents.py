"""Short texts, some of them joined to long ones: what an edit breaks far into a text does not show in a few dozen tokens."""

from __future__ import annotations

from collections.abc import Sequence

from ..lm import LM
from .context import context

ALONE, TOGETHER = 8, 8  # so many texts stay as they are, so many are joined, and so on
LONG = 384  # tokens of a joined text, at most, where the model reads as many


def documents(lm: LM, texts: Sequence[str]) -> list[str]:
    """Return texts in their order, every other eight of them joined.

    The beginning of many texts gives as many of their documents, so that what was used can be left out by number; the last one
    may be shorter.

    Args:
        lm: the model.
        texts: short ones; one that is long already stays alone.
    """
    limit = min(LONG, context(lm) or LONG)
    made: list[str] = []
    for start in range(0, len(texts), ALONE + TOGETHER):
        group = list(texts[start : start + ALONE + TOGETHER])
        made += group[:ALONE]
        made += _joined(lm, group[ALONE:], limit)
    return made


def _joined(lm: LM, texts: Sequence[str], limit: int) -> list[str]:
    """Join texts to as few as have no more tokens than a limit."""
    made: list[str] = []
    for text in texts:
        longer = f"{made[-1]}\n\n{text}" if made else text
        if made and len(lm.encode(longer)) <= limit:
            made[-1] = longer
        else:
            made.append(text)
    return made
