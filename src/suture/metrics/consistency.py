"""Whether free text about an edited subject reads like texts about things of which the new fact is true.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT" (reference score, RS).
    RS = cos(tfidf(all texts written about the subject), tfidf(all reference texts)),   idf(w) = ln((1 + n) / (1 + df(w))) + 1
n: reference texts of all cases, df: those with the word. Differs from the paper: words are weighed by these texts, not by a dump
of Wikipedia; what the model wrote counts, without its prompts; greedy text by default. So compare only with itself.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import torch

from ..model.lm import LM
from ..model.run.generation import Doses
from . import _written
from ._metric import metric
from ._score import Observation, Progress
from ._written import same_texts, write


@dataclass(frozen=True)
class Cases(_written.Cases):
    """Prompts to be continued freely, about several subjects.

    Attributes:
        owners: for each prompt the number of its subject, from 0.
        references: for each subject the texts that its own are compared with.
    """

    owners: Sequence[int] = ()
    references: Sequence[Sequence[str]] = ()


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    return _observation(cases, made.texts)


@metric(unit="cosine", cost="writes", cache_key=same_texts, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Write texts; a value is the reference score of a subject, in [0, 1]."""
    return _observation(cases, write(lm, cases, progress, doses))


def _observation(cases: Cases, texts: list[list[str]]) -> Observation:
    by_subject: list[list[str]] = [[] for _ in cases.references]
    for owner, continuations in zip(cases.owners, texts, strict=True):
        by_subject[owner] += continuations
    rarity = _rarity({text for references in cases.references for text in references})
    values = [
        _cosine(*(_weighed(" ".join(group), rarity) for group in pair))
        for pair in zip(by_subject, cases.references, strict=True)
    ]
    return Observation(torch.tensor(values, dtype=torch.float64), torch.ones(len(values), dtype=torch.float64), texts)


def _words(text: str) -> list[str]:
    return re.findall(r"\w\w+", text.lower())


def _rarity(texts: Set[str]) -> dict[str, float]:
    """Return the inverse document frequency of each word; "" stands for those in no text."""
    counts = Counter(word for text in texts for word in set(_words(text)))
    counts[""] = 0
    return {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in counts.items()}


def _weighed(text: str, rarity: Mapping[str, float]) -> dict[str, float]:
    return {word: count * rarity.get(word, rarity[""]) for word, count in Counter(_words(text)).items()}


def _cosine(left: Mapping[str, float], right: Mapping[str, float]) -> float:
    """Return the cosine of two sparse vectors; 0 where one of them is empty."""
    length = math.hypot(*left.values()) * math.hypot(*right.values())
    return sum(weight * right.get(word, 0.0) for word, weight in left.items()) / length if length else 0.0
