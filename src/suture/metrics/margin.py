"""By how much one forced answer is likelier than another, in nats a token: what moves before free texts do, and is cheap to read.

    value = mean_i log P(o_i | ..) - mean_i log P(o'_i | ..)        o: the answer, o': the one it is held against

A diagnostic: a search ranks many candidates by it before any text is written.
"""

from __future__ import annotations

import torch

from ..model.lm import LM
from . import preference
from ._metric import metric
from ._score import Observation, Progress
from .preference import Cases


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation from one of `preference`, `magnitude` or of this metric."""
    return observation(made.extra)


@metric(unit="nats", cache_key=preference.same, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return for each prompt how much likelier its answer is than the other one, in nats a token."""
    return observation(preference.pairs(lm, cases, progress))


def observation(logprobs: dict[str, list[float]]) -> Observation:
    """Return the observation of what `preference.pairs` found; `extra` keeps it for others."""
    new, old = (torch.tensor(logprobs[name], dtype=torch.float64) for name in ("logprob", "against"))
    return Observation(new - old, torch.ones_like(new), extra=logprobs)
