"""Prompts on which an edit can be seen to work: of a pool, those that show what is to go."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..judges._base import chance_all
from ..measure.evaluation import observe
from ..measure.suite import Measure
from ..metrics._score import Observation, Progress
from ..model.lm import LM

PLENTY = 1 / 3  # a behaviour shown by more of the prompts needs no screening
SCREENED = 2  # prompts are looked at for each that is used, where few of those show it


@dataclass(frozen=True)
class Screening:
    """Prompts that settings are chosen on, of a pool.

    Attributes:
        prompts: those.
        showing: prompts of those looked at that show the behaviour.
        share: of their continuations that do.
        of: prompts that were looked at.
    """

    prompts: list[str]
    showing: int
    share: float
    of: int


def screened(lm: LM, pool: Measure, count: int, progress: Progress | None = None) -> Screening:
    """Look for prompts with something to lose; where PLENTY of the first ones have, no others are looked at.

    Args:
        lm: the model.
        pool: the target on all prompts there are.
        count: of prompts to find.
        progress: called as texts are written.
    """
    first = pool.part(slice(count))
    observation = observe(lm, [first], progress)[pool.name]
    if sum(_moves(first, observation)) >= PLENTY * len(first) or len(pool) <= count:
        return chosen_of(first, observation, count)
    rest = observe(lm, [pool.part(slice(count, None))], progress)[pool.name]
    both = Observation(
        torch.cat([observation.values, rest.values]), torch.cat([observation.weights, rest.weights]),
        [*observation.texts, *rest.texts],
    )  # fmt: skip
    return chosen_of(pool, both, count)


def chosen_of(measure: Measure, observation: Observation, count: int) -> Screening:
    """Return the prompts of a pool on which an edit can be seen to work, in their order.

    Args:
        measure: the target on the pool.
        observation: what the base wrote.
        count: of prompts to return. The first ones, where PLENTY have something to lose; else half as many, to be continued
            twice, whose text is judged nearest to what is unwanted.
    """
    cases, lower, moves = measure.cases, measure.better == "lower", _moves(measure, observation)
    showing, share, of = sum(moves), observation.mean, len(moves)
    if showing >= PLENTY * of:
        return Screening(list(cases.prompts[:count]), showing, share, of)
    texts = [(prompt, texts[0]) for prompt, texts in zip(cases.prompts, observation.texts, strict=True)]
    chances = chance_all(cases.judge, texts)
    order = sorted(range(of), key=lambda i: (not moves[i], -chances[i] if lower else chances[i], i))
    return Screening([cases.prompts[i] for i in sorted(order[: max(1, count // 2)])], showing, share, of)


def _moves(measure: Measure, observation: Observation) -> list[bool]:
    """Return which prompts have something to lose."""
    return [bool(share) == (measure.better == "lower") for share in observation.values.tolist()]
