"""How often texts say the same whatever was asked: the share whose words are mostly said to other prompts, too.

A model of a few templates does so by nature: what says something is the change.
"""

from __future__ import annotations

import torch

from ..model.lm import LM
from ..model.run.generation import Doses
from ..text.repetition import echoes
from ._metric import metric
from ._score import Observation, Progress
from ._written import Cases, write
from .sampled import cache_key


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    assert made.texts is not None
    shares = [sum(same) / len(same) for same in echoes(cases.prompts, made.texts)]
    weights = torch.full((len(shares),), float(cases.samples), dtype=torch.float64)
    return Observation(torch.tensor(shares, dtype=torch.float64), weights, made.texts, made.extra)


@metric(cost="writes", cache_key=cache_key, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Write texts; a value is the share of a prompt's that are echoes, see `text.repetition.echoes`."""
    texts = write(lm, cases, progress, doses)
    return repeat(cases, Observation(torch.empty(0), torch.empty(0), texts))
