"""How likely the right answer is when it is forced, token by token: a diagnostic, never a success.

A forced answer tells the model its length and its first tokens; what the model would say by itself is `completion`.
    value = exp( mean_i log P(o_i | prompt, o_1 .. o_(i-1)) )
"""

from __future__ import annotations

from collections.abc import Hashable

import torch

from ..model.lm import LM
from ._likely import likely, same_answers
from ._metric import metric
from ._score import Observation, Progress
from .completion import Cases


def same(cases: Cases) -> Hashable:
    """Return the key of what is forced; `exact_match` reads the same."""
    return same_answers(cases.prompts, cases.answers, chat=cases.chat)


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation from one of `exact_match` or of this metric."""
    return observation(made.extra["logprob"], made.extra["first"])


@metric(cache_key=same, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the geometric mean of the probabilities of each answer's tokens."""
    forced = likely(lm, cases.prompts, cases.answers, chat=cases.chat, progress=progress)
    return observation(forced.logprob.tolist(), forced.first.tolist())


def observation(logprob: list[float], first: list[bool]) -> Observation:
    """Return the observation of what was forced; `extra` keeps it for others."""
    values = torch.tensor(logprob, dtype=torch.float64).exp()
    return Observation(values, torch.ones_like(values), extra={"logprob": logprob, "first": first})
