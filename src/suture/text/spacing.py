"""What stands between a text and what goes on with it: a blank, or nothing where none is written.

A text is not a list of words: "The capital of France is" goes on with " Paris", "He said (" with "no", a Chinese sentence with
the next sign. Whether there is a blank changes the tokens that follow, so it is decided here and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from .letters import unspaced

CLOSING = frozenset(
    ".,;:!?%\u2026\u3002\uff0c\u3001\uff1b\uff1a\uff01\uff1f\uff05"
)  # marks that stand close to the word before
CLOSES, OPENS = ("Pe", "Pf"), ("Ps", "Pi")  # Unicode's brackets and quotes that end something, and that begin it
OPENING = "\u00bf\u00a1"
ELIDED = frozenset(  # French, Italian and Catalan words that end in an apostrophe, beside those of one letter
    "qu jusqu lorsqu puisqu quoiqu presqu quelqu dell all nell sull dall coll un quest quell bell sant gl".split()
)
MARKING = "#@"  # stand close to the next word where they begin one
BINDING = "/\\_=&"  # and these, as hyphens, behind a letter or digit
QUOTES = "\"'"  # open or close, told by what stands before


def gap(before: str, after: str) -> str:
    """Return what is written between a text and what goes on with it: "" or one blank.

    None where either is empty, `before` ends in white space, in a bracket or quote that opens or in what words are written
    close to ("l'", "T-", "$" before a digit), `after` begins with white space or a mark that closes, or neither side's script
    writes blanks. Digits and marks are of the script beside them. A mark
    that a letter or digit follows (".NET", ".5") begins a word.
    """
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    if unicodedata.category(before[-1]) == "Sc" and after[0].isdigit():  # $5
        return ""
    return "" if _opens(before) or _closes(after) else apart(before, after)


def apart(before: str, after: str) -> str:
    """Return what is written between words: "" where neither side's script writes blanks, else one blank."""
    sides = [side for side in (_script(reversed(before)), _script(after)) if side is not None]
    return "" if sides and all(sides) else " "


def joined(before: str, after: str) -> str:
    """Return a text with what goes on with it."""
    return before + gap(before, after) + after


def _script(chars: Iterable[str]) -> bool | None:
    """Return whether the first letter is of a script without blanks; None without letters."""
    return next((unspaced(char) for char in chars if char.isalpha()), None)


def _opens(before: str) -> bool:
    """Return whether a text ends in what the next word is written close to."""
    last, rest = before[-1], before[:-1]
    if last in QUOTES:
        return not rest or rest[-1].isspace() or _opens(rest) or _elided(before)
    if last == "\u2019":
        return _elided(before)
    if last in MARKING:
        return not rest or rest[-1].isspace() or _opens(rest)
    if unicodedata.category(last) == "Pd" or last in BINDING:
        return bool(rest) and rest[-1].isalnum()
    return last in OPENING or unicodedata.category(last) in OPENS


def _elided(before: str) -> bool:
    """Return whether a text ends in a word that lost its end before a vowel, as in l'Italie."""
    word = re.search(r"([^\W\d_]+)['\u2019]$", before)
    return word is not None and (len(word[1]) == 1 or word[1].casefold() in ELIDED)


def _closes(after: str) -> bool:
    first = after[0]
    if unicodedata.category(first) in CLOSES:
        return True
    return first in CLOSING and not after[1:2].isalnum()
