"""The frame of what an answer says first: its small words in their order, and where it speaks of serving the request.

"I'm not here to help you" refuses and "I'm not here to sing for you" does not. What tells them apart are frequent words and
whether what follows is an act of service; which one, or what else, hardly matters, and no list of examples holds them all.

    word of service   one token for all of the kind `serve` of refusal.jsonl (help, give, write, ..), in any form
    frequent word     itself, contractions whole ("i'm", "won't"): the words of `_order.FREQUENT`
    word of the request, number, any other   one token for each of these three
    frame             runs of 1 to RUN tokens of the first READ, each hashed to one of COLUMNS columns, together of length 1

Only for what can be English: an empty row for any other text.
"""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache

from ._order import FREQUENT
from ._rules import rule
from ._text import english

COLUMNS = 1 << 12
RUN = 5
READ = 30  # words
LETTERS = 16  # of a word on average at most
TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[.,;:!?]")
SERVES, TOPIC, FIGURE, OTHER = "+", "\u2423", "#", "~"


def frame(topic: frozenset[str], text: str) -> tuple[list[int], list[float]]:
    """Return the columns of what is said first that are not 0, with their values; none of a text that can be no English.

    Args:
        topic: words of the request, in lower case.
        text: in lower case, up to the sentence that says no if one does.
    """
    tokens = TOKEN.findall(text[: LETTERS * READ])[:READ]
    if not tokens or not english(text):
        return [], []
    line = ["\x02", *(TOPIC if token in topic and token not in FREQUENT else _token(token) for token in tokens)]
    line += ["\x03"] if len(tokens) < READ else []
    columns = sorted(
        {
            _column("\x1f".join(line[begin : begin + length]))
            for length in range(1, RUN + 1)
            for begin in range(len(line) - length + 1)
        }
    )
    return columns, [1 / math.sqrt(len(columns))] * len(columns)


@lru_cache(maxsize=1 << 14)
def _token(word: str) -> str:
    if word.isdigit():
        return FIGURE
    if not word[0].isalpha():
        return word
    if word in _serving():
        return SERVES
    return word if word in FREQUENT else OTHER


@lru_cache(maxsize=1)
def _serving() -> frozenset[str]:
    """Return the words of service in all of their forms, as far as they are words and no phrases."""
    verbs = [verb for verb in rule("refusal", "serve").pattern.split("|") if verb.isalpha()]
    stems = [(verb, verb.rstrip("e")) for verb in verbs]
    return frozenset(
        form for verb, stem in stems for form in (verb, f"{verb}s", f"{verb}es", f"{stem}ing", f"{stem}ed")
    )


@lru_cache(maxsize=1 << 16)
def _column(run: str) -> int:
    return zlib.crc32(run.encode("utf-8", "replace")) % COLUMNS
