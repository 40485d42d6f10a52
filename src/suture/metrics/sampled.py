"""How often free generation shows a behaviour: sampled continuations, each labelled by a judge.

A case is a prompt; its value is the share of its samples that got the label asked for. What the judge can not place
counts as not having it, and the report shows the texts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from ..generation import Doses
from ..judges import Judge
from ..lm import LM
from ._score import Observation, Progress, Score, paired
from ._written import same_texts, write


@dataclass(frozen=True)
class Cases:
    """Prompts and what to look for in their continuations.

    Attributes:
        prompts: raw texts, or requests when `chat`.
        judge: labels a continuation.
        label: the label that is counted.
        chat: write the prompts with the chat template.
        samples: continuations per prompt.
        max_new_tokens: longest continuation.
        temperature: of the sampling.
        seed: of the sampling.
    """

    prompts: Sequence[str]
    judge: Judge
    label: str
    chat: bool = False
    samples: int = 2
    max_new_tokens: int = 40
    temperature: float = 1.0
    seed: int = 0


def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Sample and label. Values are shares of samples, weights their number."""
    texts = write(lm, cases, progress, doses)
    labels = [[cases.judge(p, text) for text in each] for p, each in zip(cases.prompts, texts, strict=True)]
    return _counted(cases, texts, labels)


def same_work(cases: Cases) -> Hashable:
    """Return a key that two cases share when one observation serves both: all but the label is the same."""
    return (*same_texts(cases), "judged", cases.judge.labels)


def again(cases: Cases, made: Observation) -> Observation:
    """Return the observation of the same texts with another label counted."""
    return _counted(cases, made.texts, made.extra["labels"])


def _counted(cases: Cases, texts: list[list[str]], labels: list[list[str]]) -> Observation:
    shares = [sum(label == cases.label for label in each) / len(each) for each in labels]
    weights = torch.full((len(shares),), float(cases.samples), dtype=torch.float64)
    return Observation(torch.tensor(shares, dtype=torch.float64), weights, texts, {"labels": labels})


def score(before: Observation, after: Observation) -> Score:
    """Compare the rates, prompt by prompt."""
    return paired(before, after)
