"""Whether the first sentence of an answer states something: "The capital of France is Paris." states "Paris".

A chat answers in a sentence where a text goes on with a word. The first sentence ends at a mark that ends one, or with its
line; the point of "St. Louis", "J. R. R. Tolkien" or "1." ends none, nor does a line that ends in a colon. A question states
nothing, and a name behind a denial ("is not Paris") is not stated. Imports nothing but `letters`.
"""

from __future__ import annotations

import re

from .letters import begins_with, is_word, names, places

OPENER = re.compile(
    r"^\s*(?:sure(?: thing)?|certainly|of course|absolutely|(?:great|good) question|hello(?: there)?|hi|okay|ok|yes)\s*[!.]+\s*",
    re.IGNORECASE,
)  # a greeting is no answer yet
END = re.compile(r"[.!?\u2026](?=[\"'\u201d\u2019)\]*_]*(?:\s|$))|[\u3002\uff01\uff1f]|(?<![:,\n])\s*\n")
ABBREVIATED = re.compile(
    r"(?:^|[\W\d_])(?:[^\W\d_]|dr|mrs?|ms|prof|sts?|mt|ft|no|vs|jr|sr|gen|col|sgt|capt|rev|hon|approx|ca|lat|e\.g|i\.e)$"
    r"|^\W*\d+$",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"(?:\b(?:not(?! only)|cannot|never|neither|nor|no longer|nicht|nie|kein\w*|pas|jamais|nunca|non|no (?:es|era|fue|est\u00e1))"
    r"|n['\u2019]t|\b(?:rather than|instead of|used to be|formerly|previously))"
    r"(?:\s+(?!but\b|sondern\b|mais\b|sino\b)[\w'\u2019*_-]+){0,3}\s+\W*$",
    re.IGNORECASE,
)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, without a greeting before it."""
    text = OPENER.sub("", text.strip()) or text.strip()
    for match in END.finditer(text):
        before = text[: match.start()]
        point = match.group() == "."
        if before.strip() and not (point and _goes_on(before, text[match.end() :])):
            return text[: match.end()].strip()
    return text


def states(text: str, wanted: str, question: str = "") -> bool:
    """Return whether the first sentence of an answer says something as whole words, in its own case.

    Args:
        text: the answer.
        wanted: what is to be said.
        question: the question. Where it names `wanted` itself, an answer that repeats it proves nothing: it must begin with it.
    """
    if begins_with(text, wanted):
        return True
    wanted = wanted.strip()
    if names(question, wanted):
        return False
    sentence = first_sentence(text)
    if re.search(r"[?\uff1f][\W_]*$", sentence):
        return False
    spans = [at for at in places(sentence, wanted, case=False) if is_word(sentence, *at)]
    return any(not DENIED.search(sentence[:begin]) for begin, _ in spans)


def _goes_on(before: str, after: str) -> bool:
    """Return whether a point between two parts of a text ends no sentence."""
    return bool(ABBREVIATED.search(before)) or after.lstrip()[:1].islower()
