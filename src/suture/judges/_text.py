"""What the rule-based judges read of a text: the part meant for the reader, in plain marks, cut into sentences."""

from __future__ import annotations

import re

from ..text.reasoning import answer_of

PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})
LOST = re.compile(
    "(?<=[A-Za-z])(?:\ufffd|\u00e2(?:\u0080\u0099|\u20ac\u2122))(?=(?:[dmst]|ll|re|ve)\\b)"
)  # an apostrophe that was decoded wrongly
MARKUP = re.compile(r"[*`#~>\[\]]+|(?<!\w)_+|_+(?!\w)")
COMMON = frozenset(  # a text of some length without any of these is not English
    "a an and are as at be but by can do for from get go had has have he her his how i if in is it its just me my no not of "
    "on or out she so that the their them then there they this to up was we were what when which who will with you your"
    .split()
)  # fmt: skip
FOREIGN_WORDS = 6  # a text this long without a common English word is taken to be no English


def visible(text: str) -> str:
    """Return what is left for the reader: the answer without the reasoning before it, in plain quotes."""
    return LOST.sub("'", answer_of(text)).translate(PLAIN).strip()


def unmarked(text: str) -> str:
    """Return a text without the marks of Markdown."""
    return MARKUP.sub(" ", text).strip()


def unquoted(text: str) -> str:
    """Return a text without what stands in double quotes on one line."""
    return re.sub(r'"[^"\n]*"', " ", text)


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, none empty."""
    return [part.strip() for part in re.split(r"(?<=[.!?])[\"')]*\s+|\n+", text) if re.search(r"\w", part)]


def english(text: str) -> bool:
    """Return whether a text can be English: it has a common word, or is short and in Latin letters."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if not words or sum(word.isascii() for word in words) < 0.5 * len(words):
        return False
    return len(words) < FOREIGN_WORDS or any(word in COMMON for word in words)
