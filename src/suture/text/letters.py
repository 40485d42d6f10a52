"""Texts compared without regard to case, normal form and typography, in any script; places are those in the text as it stands.

A text is cut into letters, each with the marks that belong to it, and each letter is folded for itself: an index found in the
folded text therefore leads back to the text that was given, however many characters a letter has on either side ("İ" has two
in lower case, "ß" folds to two, "é" may be written as one or two).
Source: Unicode 15, section 3.13, "caseless matching" (D145, with compatibility forms), and the dotless i of CaseFolding.txt (T).
Imports nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u00ad": ""})
MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # upon letters that have case
UNSPACED = (  # scripts that write no blanks between words, by how Unicode names their letters
    "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO", "THAI", "LAO ", "KHMER", "MYANMAR", "TIBETAN",
    "JAVANESE", "BALINESE", "YI ",
)  # fmt: skip


def letters(text: str) -> list[tuple[int, int]]:
    """Return where each letter begins and ends, its marks included; blanks in a row are one letter."""
    spans: list[tuple[int, int]] = []
    for index, char in enumerate(text):
        if spans and (is_mark(char) or (char.isspace() and text[index - 1].isspace())):
            spans[-1] = (spans[-1][0], index + 1)
        else:
            spans.append((index, index + 1))
    return spans


def folded(text: str, *, case: bool = True) -> str:
    """Return a text for comparing: two that differ only in case, normal form, blanks or typography are equal then.

    Args:
        text: any.
        case: fold case, too; otherwise "Rose" and "rose" stay two.
    """
    if case and text.isascii():
        return re.sub(r"\s+", " ", text.lower())
    return "".join(_fold(text[begin:end], case) for begin, end in letters(text))


def places(text: str, wanted: str, *, case: bool = True) -> list[tuple[int, int]]:
    """Return where a text holds another one, (begin, end) in the text as it stands; never parts of a letter."""
    spans = letters(text)
    pieces = [_fold(text[begin:end], case) for begin, end in spans]
    sought = folded(wanted, case=case)
    starts, stops, length = {}, {}, 0  # index in the folded text -> in the text
    for piece, (begin, end) in zip(pieces, spans, strict=True):
        if piece:
            starts[length] = begin
            stops[length + len(piece)] = end
        length += len(piece)
    whole, matches, at = "".join(pieces), [], -1
    while sought and (at := whole.find(sought, at + 1)) >= 0:
        if at in starts and at + len(sought) in stops:
            matches.append((starts[at], stops[at + len(sought)]))
    return matches


def place(text: str, wanted: str) -> tuple[int, int] | None:
    """Return where a text names another one: whole words before parts of words, as written before otherwise, then the last.

    None where it does not hold it.
    """
    spans = places(text, wanted)
    return max(spans, key=lambda at: (is_word(text, *at), text[at[0] : at[1]] == wanted, at), default=None)


def names(text: str, wanted: str) -> bool:
    """Return whether a text has another one in it as whole words, in its own case; in scripts without blanks, at all."""
    return any(is_word(text, *at) for at in places(text, wanted, case=False))


def begins_with(text: str, wanted: str) -> bool:
    """Return whether a text begins with another one as whole words, in its own case."""
    text = text.lstrip()
    return any(begin == 0 and is_word(text, begin, end) for begin, end in places(text, wanted.strip(), case=False))


def words(text: str) -> list[str]:
    """Return the words of a text in lower case; in scripts that put no blanks between words, each letter is one."""
    if text.isascii():
        return re.findall(r"\w+", text.lower())
    pieces, ended = [], True
    for begin, end in letters(text):
        part = text[begin:end]
        if not (part[0].isalnum() or part[0] == "_"):
            ended = True
            continue
        alone = unspaced(part[0])
        if ended or alone:
            pieces.append("")
        pieces[-1] += _fold(part, True)
        ended = alone
    return pieces


def whole(sought: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of some words or phrases in a folded text, as whole words where words have ends."""
    return re.compile("|".join(map(_bounded, map(folded, sought))) or r"(?!)")


def is_word(text: str, begin: int, end: int) -> bool:
    """Return whether neither end of a span cuts a word; scripts that put no blanks between words have no such ends."""
    return not any(0 < at < len(text) and _joined(text[at - 1], text[at]) for at in (begin, end))


def is_mark(char: str) -> bool:
    """Return whether a character is a mark upon the one before."""
    return char > "\u02ff" and unicodedata.category(char)[0] == "M"


def unpaired(text: str) -> int | None:
    """Return the index of a lone surrogate, half a character that no encoding can write; None without any."""
    return next((i for i, char in enumerate(text) if "\ud800" <= char <= "\udfff"), None)


def _joined(left: str, right: str) -> bool:
    """Return whether two characters that stand beside each other belong to one word."""
    return all(char.isalnum() or is_mark(char) for char in (left, right)) and not (unspaced(left) or unspaced(right))


def _bounded(phrase: str) -> str:
    before, after = (
        char.isalnum() and not unspaced(char)
        for char in (phrase[:1], next((c for c in phrase[::-1] if not is_mark(c)), ""))
    )
    return r"(?<!\w)" * before + re.escape(phrase) + rf"(?![\w{MARKS}])" * after


@lru_cache(maxsize=4096)
def unspaced(char: str) -> bool:
    """Return whether a letter is of a script that puts no blanks between words."""
    return char > "\u0dff" and unicodedata.name(char, "").startswith(UNSPACED)


@lru_cache(maxsize=4096)
def _fold(letter: str, case: bool) -> str:
    if letter.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", letter).translate(PLAIN)
    if not case:
        return plain
    once = unicodedata.normalize("NFKD", plain.casefold())
    # with a dot or without, capital or not: which of them are one letter depends on the language
    return once.replace("i\u0307", "i").replace("\u0131", "i")
