"""Text that repeats itself, or what others say: whether it ends in a loop, how varied its n-grams are, whether it is an echo."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence

from .letters import words

TURNS = 3  # times that the words of a loop are said
SHORTEST = 6  # words that a loop takes at least, so that "no, no, no" is none
ECHO = 0.5  # share of a text's trigrams that others have, from which it says nothing of its own
FEWEST = 6  # trigrams of a text that can be told to be an echo
WEIGHTS = {2: 2 / 3, 3: 4 / 3}  # of the orders of n-grams; the sum is divided by their number


def ends_in_loop(text: str) -> bool:
    """Return whether a text's last words are one phrase said TURNS times or more; a last word cut short is let go."""
    said = words(text)
    return any(_periodic(end) for end in (said, said[:-1]))


def entropy(text: str) -> float:
    """Return the weighted entropy of the bigrams and trigrams of a text, in bits; 0 for fewer than two words."""
    said = _words(text)
    total = 0.0
    for order, weight in WEIGHTS.items():
        counts = Counter(zip(*(said[i:] for i in range(order))))
        size = sum(counts.values())
        total -= weight * sum(c / size * math.log2(c / size) for c in counts.values())
    return max(0.0, total) / len(WEIGHTS)


def variety(text: str) -> float:
    """Return `entropy` as a share of what it would be if no n-gram came twice: 1 is most varied; 1 for a scrap."""
    count = len(_words(text))
    most = sum(weight * math.log2(max(1, count - order + 1)) for order, weight in WEIGHTS.items()) / len(WEIGHTS)
    return entropy(text) / most if most else 1.0


def repeats(items: Sequence[Hashable], order: int = 3) -> list[int]:
    """Return the places at which an n-gram ends that stood there before."""
    seen: set[tuple[Hashable, ...]] = set()
    places = []
    for end in range(order, len(items) + 1):
        gram = tuple(items[end - order : end])
        if gram in seen:
            places.append(end - 1)
        seen.add(gram)
    return places


def echoes(prompts: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[bool]]:
    """Return which texts mostly say what is said to other prompts, too: half of their trigrams or more.

    Args:
        prompts: of the texts; those of the same prompt may be alike.
        texts: of each prompt.
    """
    grams = [[_trigrams(text) for text in given] for given in texts]
    said_to: dict[tuple[str, ...], set[str]] = {}
    for prompt, given in zip(prompts, grams, strict=True):
        for gram in set().union(*given):
            said_to.setdefault(gram, set()).add(prompt)
    return [
        [len(said) >= FEWEST and sum(len(said_to[gram]) > 1 for gram in said) >= ECHO * len(said) for said in given]
        for given in grams
    ]


def _trigrams(text: str) -> set[tuple[str, ...]]:
    said = words(text)
    return set(zip(said, said[1:], said[2:], strict=False))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _periodic(words: list[str]) -> bool:
    for period in range(1, len(words) // TURNS + 1):
        length = max(TURNS * period, SHORTEST)
        tail = words[-length:]
        if len(tail) == length and tail[period:] == tail[:-period]:
            return True
    return False
