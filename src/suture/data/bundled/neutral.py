"""Neutral texts for an edit to leave alone: knowledge, everyday stories, arithmetic, code, questions, and many kinds more.

The five kinds are made from templates. `broad` has others beside them that have hardly anything in common: news, letters, statutes,
logs, tables, verse, other languages. What an edit breaks far from its own data shows there.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..examples import Texts
from ._parts import Split, distinct, fill, grouped, listed, part, shuffled
from .knowledge import QUESTIONS, TOPICS

COUNTS = {"probe": 48, "tune": 24, "report": 24}  # texts of each kind
PEOPLE = "Anna|Boris|Clara|Daniel|Edith|Felix|Greta|Hugo|Irma|Jakob|Karin|Lukas|Maud|Nils|Olga|Philip".split("|")
WOMEN = {"Anna", "Clara", "Edith", "Greta", "Irma", "Karin", "Maud", "Olga"}
MORNINGS = listed("neutral", "MORNINGS")
MIDDLES = listed("neutral", "MIDDLES")
EVENINGS = listed("neutral", "EVENINGS")
SUMS = listed("neutral", "SUMS")
SNIPPETS = listed("neutral", "SNIPPETS")
NAMES = grouped("neutral", "NAMES")
VARIED = listed("neutral", "VARIED")


def neutral(split: Split) -> Texts:
    """Return neutral texts, as many of each of the five kinds."""
    return Texts(text for texts in tasks(split).values() for text in texts)


def broad(split: Split) -> Texts:
    """Return neutral texts of six kinds, which take turns, so that any beginning of them has all."""
    kinds = [*tasks(split).values(), part(VARIED, split)]
    return Texts(text for texts in zip(*kinds, strict=True) for text in texts)


def tasks(split: Split) -> dict[str, list[str]]:
    """Return the neutral texts by kind."""
    kinds = {"knowledge": _paragraph, "stories": _story, "sums": _arithmetic, "code": _code, "questions": _answers}
    return {name: _texts(kind, split) for name, kind in kinds.items()}


def _texts(kind: Callable[[random.Random, Split], str], split: Split) -> list[str]:
    rng = random.Random(f"{kind.__name__} {split}")
    return [text for (text,) in distinct(COUNTS[split], lambda _: (kind(rng, split),))]


def _paragraph(rng: random.Random, split: Split) -> str:
    sentences = rng.choice(part(TOPICS, split)).split(" | ")
    left_out = rng.choice((1, 2, 3))  # the first one names the topic
    return " ".join(sentence for index, sentence in enumerate(sentences) if index != left_out)


def _story(rng: random.Random, split: Split) -> str:
    name = rng.choice(part(PEOPLE, split))
    she, her, her2 = ("she", "her", "her") if name in WOMEN else ("he", "his", "him")
    words = {"name": name, "she": she, "She": she.title(), "her": her, "her2": her2}
    middles = rng.sample(part(MIDDLES, split), 2)
    sentences = [rng.choice(part(MORNINGS, split)), *middles, rng.choice(part(EVENINGS, split))]
    return fill(" ".join(sentences), {key: [word] * 6 for key, word in words.items()})


def _arithmetic(rng: random.Random, split: Split) -> str:
    def statement(frame: str) -> str:
        # A number's rest modulo 4 tells its split, as a line's place does.
        a, b, c = rng.choice(part(range(100), split)) + 8, rng.randint(3, 90), rng.randint(3, 12)
        numbers = {"a": a, "b": b, "c": c, "sum": a + b, "product": a * c, "double": 2 * a}
        return fill(frame, {key: [str(number)] * 2 for key, number in numbers.items()})

    return " ".join(statement(frame) for frame in rng.sample(part(SUMS, split), 4))


def _code(rng: random.Random, split: Split) -> str:
    chosen = {key: rng.choice(words) for key, words in shuffled(rng, NAMES).items()}
    chosen |= {"Noun": chosen["noun"].title(), "Verb": chosen["verb"].title(), "n": str(rng.randint(2, 20))}
    snippet = rng.choice(part(SNIPPETS, split))
    for key, word in chosen.items():  # not `fill`: code has braces of its own
        snippet = snippet.replace("{" + key + "}", word)
    return snippet


def _answers(rng: random.Random, split: Split) -> str:
    pairs = [line.split(" | ") for line in rng.sample(part(QUESTIONS, split), 2)]
    return "\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)
