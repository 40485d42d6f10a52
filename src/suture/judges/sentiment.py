"""Is a text positive or negative? Our own weighted lexicon of English with negation, degree and contrast.

    score = sum over clauses of emphasis(clause) * sum over its words of degree * negation * weight(word)

Negation reaches NEGATION_REACH words and turns a weight round at NEGATED strength ("not great" is milder than "bad"); a
clause after "but" weighs more and what stands before it less, as does what follows "although" up to its comma. A sum within
MARGIN of zero is no opinion: NEITHER.

What it can not see: irony ("Great, it broke on the first day"), opinions told as facts ("We waited an hour"), other
languages. Agreement with people: docs/judges.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..registry import judge
from ._base import NEITHER, coherent
from ._sentiment_words import EMOJI, PHRASES, WORDS
from ._text import sentences, unmarked, visible

MARGIN = 0.5
NEGATED = -0.7  # of the weight
NEGATION_REACH = 4  # words
AFTER_BUT, BEFORE_BUT = 1.5, 0.5
DEGREES = {
    "very": 1.4, "really": 1.3, "so": 1.2, "too": 1.0, "extremely": 1.6, "absolutely": 1.5, "insanely": 1.5, "truly": 1.4,
    "incredibly": 1.5, "totally": 1.4, "highly": 1.4, "deeply": 1.4, "far": 1.4, "much": 1.3, "most": 1.4, "total": 1.4,
    "slightly": 0.5, "somewhat": 0.6, "bit": 0.5, "little": 0.6, "fairly": 0.8, "rather": 0.8, "quite": 1.0, "almost": 0.7,
    "barely": 0.5, "less": -0.7, "least": -0.7,
}  # fmt: skip
NEGATIONS = frozenset(
    "not no never nothing nobody none neither nor hardly scarcely barely without cannot lack lacks lacking fails fail failed"
    " isn't aren't wasn't weren't don't doesn't didn't won't wouldn't can't couldn't shouldn't hasn't haven't hadn't ain't"
    .split()
)  # fmt: skip
TURNS = re.compile(r"\b(?:but|however|yet|instead|still,|except|only to)\b")
CONCESSION = re.compile(r"\b(?:although|though|despite|in spite of|while|even though|given)\b[^,.;]*")
WITHOUT = re.compile(r"\b(?:far from|anything but|free of|free from)\b")
TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|[,;:]")


@judge("sentiment")
@dataclass(frozen=True)
class Sentiment:
    """Labels a text "positive" or "negative"; no or a balanced opinion, loops and scraps are NEITHER."""

    margin: float = MARGIN
    labels: tuple[str, ...] = ("positive", "negative")

    def __call__(self, prompt: str, text: str) -> str:
        """See `Judge`."""
        text = visible(text)
        if not coherent(text):
            return NEITHER
        score = self.score(text)
        return NEITHER if abs(score) <= self.margin else "positive" if score > 0 else "negative"

    def score(self, text: str) -> float:
        """Return the opinion of a text: above 0 positive, below 0 negative, in units of a mild word."""
        text = unmarked(visible(text)).lower().replace(" n't", "n't")
        text = WITHOUT.sub("without", text)
        faces = sum(value * text.count(face) for face, value in EMOJI.items())
        return faces + sum(
            emphasis * _clause(clause) for sentence in sentences(text) for emphasis, clause in _clauses(sentence)
        )


def _clauses(sentence: str) -> Iterator[tuple[float, str]]:
    """Yield the clauses of a sentence and how much each weighs."""
    for conceded in CONCESSION.findall(sentence):
        yield BEFORE_BUT, conceded
    parts = [part for part in TURNS.split(CONCESSION.sub(" ", sentence)) if part.strip(" ,;.")]
    for part in parts[:-1]:
        yield BEFORE_BUT, part
    if parts:
        yield AFTER_BUT if len(parts) > 1 else 1.0, parts[-1]


def _clause(clause: str) -> float:
    """Return the sum of the weights of a clause, each with its negation and degree."""
    total = 0.0
    for pattern, value in PHRASES.items():
        clause, count = re.subn(rf"\b(?:{pattern})\b", " , ", clause)
        total += value * count
    words = TOKEN.findall(clause)
    for index, word in enumerate(words):
        value = 0.0 if word in DEGREES else weight(word)
        if not value or word in NEGATIONS:
            total += value
            continue
        before = words[max(0, index - NEGATION_REACH) : index]
        if {",", ";", ":"} & set(before) and not {"neither", "no"} & set(words[:index]):
            before = before[max(i for i, w in enumerate(before) if w in ",;:") + 1 :]
        degree = DEGREES.get(before[-1], 1.0) if before else 1.0
        turned = any(earlier in NEGATIONS for earlier in before)
        total += value * degree * (NEGATED if turned else 1.0)
    return total


@cache
def _lexicon() -> dict[str, float]:
    return {word: value for value, words in WORDS.items() for word in words.split()}


@cache
def weight(word: str) -> float:
    """Return the weight of a lower-case word or of the word it is an ending of; 0 if neither is known."""
    lexicon = _lexicon()
    if word in lexicon:
        return lexicon[word]
    for end, instead in (("ly", ("", "le", "y")), ("s", ("",)), ("ed", ("", "e")), ("ing", ("", "e")), ("ier", ("y",)),
                         ("iest", ("y",)), ("er", ("", "e")), ("est", ("", "e")), ("ness", ("",))):  # fmt: skip
        if word.endswith(end) and len(word) - len(end) >= 3:
            for tail in instead:
                if value := lexicon.get(word[: -len(end)] + tail):
                    return value
    return 0.0
