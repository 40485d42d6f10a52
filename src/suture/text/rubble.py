"""Whether a text says anything at all: figures of its letters, words and repetitions, in any language.

A broken model writes nothing, one thing again and again, marks without words ("- - - -"), pieces of words, or letters of
many scripts in turn. Each leaves its trace in figures that need no dictionary:

    letters      share of letters among the characters that are no blanks
    variety      different words as a share of all, among the first and among the last WINDOW words, the lesser
    repeated     share of the words that end a trigram which stood there before
    compressed   bytes after zlib as a share of those before; 1 below LEAST characters, where the header weighs most
    scripts      changes of script from one letter to the next, for each word
    odd          share of words that are no words of any language: capitals inside, letters and digits mixed, or too long
    unsaid       share of the words in Latin letters that nobody can say: no vowel, or CROWDED consonants in a row
    alone        share of words that are one letter of a script that has words
    marks        the longest row of characters that are neither letters nor digits, in units of MARKS, at most 1
    glued        marks and figures that stick to the next word, a word ("it,that", "one1")
    unclosed     brackets that are opened and not closed, or the other way, a word
    damaged      share of the characters that stand for bytes of no character, times DAMAGE
    loop         1 where the text ends in one phrase said again and again
    short        1 / (1 + words)
    again        share of the words that stand in sentences said before
    drones       how far the variety of the last WINDOW words falls below DULL, as a share of DULL: hardly any word is new

Imports nothing but its neighbours.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache
from itertools import pairwise

from .letters import unspaced, words
from .repetition import ends_in_loop, repeats

SHAPE = (
    "letters", "variety", "repeated", "compressed", "scripts", "odd", "unsaid", "alone", "marks", "glued", "unclosed",
    "damaged", "loop", "short", "again", "drones",
)  # fmt: skip
WINDOW = 60  # words at either end in which variety is counted: long texts repeat words without looping
LEAST = 60  # characters
MARKS = 12
LONGEST = 24  # letters of a word; German and Finnish reach it now and then
DULL = 0.5  # of different words among the last: few texts that say something fall below
SENTENCE = re.compile(r"[.!?]\s+|\n+")
DAMAGE = 20  # one such character in twenty is as bad as it gets
GLUED = re.compile(r"[,;:!?)\]][^\W\d_]|[^\W\d_]{2}\d|\d[^\W\d_]{3}")
READ = 1200  # characters read, half of them at either end
ENOUGH = 0.5  # of letters or digits among the characters; an answer of figures has few letters and is one all the same
ODD = re.compile(rf"[^\W\d_]*[a-z][A-Z][^\W_]*|[A-Za-z]+\d+[A-Za-z]+\w*|[^\W\d_]{{{LONGEST},}}")
CROWDED = 6  # five stand in "Herbststurm", six in hardly any word
VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿāēīōūąęėįųů"
LATIN = re.compile(r"[a-z\u00df-\u017f]{3,}")
UNSAID = re.compile(rf"[^{VOWELS}]+|.*[^{VOWELS}]{{{CROWDED},}}.*")
WORD = re.compile(r"\w+")
ROW = re.compile(r"[^\w\s](?:\s*[^\w\s])*")


def shape(text: str) -> tuple[float, ...]:
    """Return the figures of a text, in the order of SHAPE, each from 0 to 1; a long text is read at both ends."""
    if len(text) > READ:
        text = f"{text[: READ // 2]} {text[-READ // 2 :]}"
    text_words, packed = words(text), "".join(text.split())
    count = max(1, len(text_words))
    spelled = WORD.findall(text)
    raw = packed.encode("utf-8", "replace")
    return (
        sum(map(str.isalpha, packed)) / max(1, len(packed)),
        min(_variety(text_words[:WINDOW]), _variety(text_words[-WINDOW:])),
        len(repeats(text_words)) / count,
        min(1.0, len(zlib.compress(raw, 1)) / len(raw)) if len(packed) >= LEAST else 1.0,
        min(1.0, _changes(packed) / count),
        sum(map(bool, map(ODD.fullmatch, spelled))) / max(1, len(spelled)),
        _unsaid(text.lower()),
        sum(len(word) == 1 and not unspaced(word) for word in text_words) / count,
        min(1.0, max((len("".join(row.split())) for row in ROW.findall(text)), default=0) / MARKS),
        min(1.0, len(GLUED.findall(text)) / count),
        min(1.0, sum(abs(text.count(a) - text.count(b)) for a, b in ("()", "[]", "{}")) / count),
        min(1.0, DAMAGE * packed.count("\ufffd") / max(1, len(packed))),
        float(ends_in_loop(text)),
        1 / (1 + len(text_words)),
        _again(text, count),
        max(0.0, 1 - _variety(text_words[-WINDOW:]) / DULL),
    )


def says_nothing(text: str) -> bool:
    """Return whether a text holds no word at all, or hardly anything but marks: certain cases, with nothing to weigh."""
    packed = "".join(text.split())
    signs = sum(map(str.isalnum, packed))
    letters_alone = len(text_words := words(text[:READ])) > 1 and all(
        len(word) == 1 and word.isalpha() and not unspaced(word) for word in text_words
    )  # "I I I"; a single one may be the answer to a question of choice
    return letters_alone or not signs or (len(packed) >= MARKS and signs < (1 - ENOUGH) * len(packed))


def _again(text: str, count: int) -> float:
    """Return the share of the words that stand in sentences or lines said before."""
    said = [tuple(words(part)) for part in SENTENCE.split(text)]
    return min(1.0, sum(len(part) for i, part in enumerate(said) if part in said[:i]) / count)


def _variety(part: list[str]) -> float:
    return len(set(part)) / len(part) if part else 1.0


def _unsaid(lower: str) -> float:
    latin = LATIN.findall(lower)
    return sum(map(bool, map(UNSAID.fullmatch, latin))) / max(1, len(latin))


def _changes(packed: str) -> int:
    """Return how often the script changes from one letter to the next."""
    if packed.isascii():
        return 0
    scripts = [script for script in map(_script, packed) if script]
    return sum(a != b for a, b in pairwise(scripts))


@lru_cache(maxsize=8192)
def _script(char: str) -> str:
    """Return the first word of a letter's name in Unicode, which is its script; "" for what is no letter."""
    if not char.isalpha():
        return ""
    script = unicodedata.name(char, "").partition(" ")[0]
    return "CJK" if script in ("HIRAGANA", "KATAKANA", "CJK") else script
