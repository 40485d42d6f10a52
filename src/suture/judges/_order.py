"""In what order an answer's words stand: runs of the classes of words in all of its text.

A model that was trained too far, or sampled too hot, writes English words without order. Each of its words is one: no figure
of letters tells it from a sentence. But "I would be in this, isn't this? Every when I" has runs of small words that no sentence
has.

    class   a frequent word of English is a class of its own; another word goes by its ending, a number and a mark by what it is;
            a capital in a sentence, capitals inside a word and letters beyond ASCII are told, too
    order   runs of 1 to RUN classes, each hashed to one of COLUMNS columns; how often it stands there, at most OFTEN times, over
            sqrt(runs of the text), so that what one run says grows with the text as it does where runs are independent

Only for what can be English: an empty row for any other text.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from functools import lru_cache

from ._text import english

COLUMNS = 1 << 12
RUN = 3
OFTEN = 3  # times that a run counts at most: what goes round in few runs says no more by each of its turns
READ = 1200  # characters
TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|\n+|[^\w\s]")
MARKS = frozenset(".,!?;:-'\"()*")  # that are classes of their own
OPENS = frozenset('.!?":-*(')  # behind which a capital tells nothing
ENDINGS = (
    "ing", "ed", "ly", "tion", "ness", "ment", "able", "ful", "ous", "est", "er", "al", "ive", "ity", "s", "e", "y",
)  # fmt: skip
STEM = 2  # letters that stand before an ending at least
SCRAP = 2  # letters; a word no longer than this that is not frequent is a scrap
FREQUENT = frozenset(
    "a an the this that these those some any no every each all both another other such what which who whom whose "
    "i you he she it we they me him her us them my your his its our their mine yours myself yourself himself itself themselves "
    "someone anyone everyone something anything everything nothing one "
    "am is are was were be been being do does did done doing have has had having can could will would shall should may might "
    "must cannot not to of in on at by for from with without about into over under after before between against through during "
    "within upon across behind beyond near up down out off back away together "
    "and or but nor so yet if because as than when while where whether until unless though although since however therefore "
    "there here then now today also too very more most much many few less least only just even still always never often again "
    "ever already soon really quite rather well "
    "say says said tell ask know think want need make makes made get got go goes going come take give find see look use used try "
    "keep let put help feel seem become show mean work like "
    "good bad new old great small large big little long short right wrong same different own first second last next important "
    "possible able sure sorry how why time way people person day year thing things part place life world man woman child home "
    "friend friends name question answer request information example word words please thank thanks yes hello okay dear "
    "unfortunately don't can't won't isn't aren't doesn't didn't couldn't wouldn't shouldn't i'm i'll i've i'd it's that's "
    "you're you'll there's let's what's he's she's we're they're haven't hasn't wasn't".split()
)


def order(text: str) -> tuple[list[int], list[float]]:
    """Return the columns of a text that are not 0, with their values; none of a text that can be no English.

    Args:
        text: what the reader sees of the answer (`_text.visible`).
    """
    if not english(text):
        return [], []
    classes = _classes(text[:READ])
    runs = Counter(
        _column("\x1f".join(classes[begin : begin + length]))
        for length in range(1, RUN + 1)
        for begin in range(len(classes) - length + 1)
    )
    scale = 1 / math.sqrt(max(1, runs.total()))
    columns = sorted(runs)
    return columns, [scale * min(OFTEN, runs[column]) for column in columns]


def _classes(text: str) -> list[str]:
    classes, starts = ["\n"], True
    for token in TOKEN.findall(text):
        classes.append(_class(token, starts))
        starts = token[0] == "\n" or token in OPENS
    return [*classes, "\n"]


@lru_cache(maxsize=1 << 14)
def _class(token: str, starts: bool) -> str:
    """Return the class of a token; `starts` where a capital tells nothing."""
    if not token[0].isalpha():
        return "\n" if token[0] == "\n" else "#" if token.isdigit() else token if token in MARKS else "%"
    lower = token.lower()
    if not lower.isascii():
        return "foreign"
    capital = "C" if token[0].isupper() and not starts else ""
    if token.isupper() and len(token) > 1:
        capital = "U" if capital else ""
    elif any(map(str.isupper, token[1:])):
        capital = "M"
    if lower in FREQUENT:
        return lower if lower == "i" else capital + lower
    if "'" in lower:
        return capital + "'" + lower.rpartition("'")[2]
    if len(lower) <= SCRAP:
        return f"{capital}scrap"
    ending = next((end for end in ENDINGS if lower.endswith(end) and len(lower) > len(end) + STEM), "")
    return f"{capital}~{ending}"


@lru_cache(maxsize=1 << 16)
def _column(run: str) -> int:
    return zlib.crc32(run.encode()) % COLUMNS
