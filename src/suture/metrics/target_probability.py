"""How likely the right answer is when it is forced, token by token: a diagnostic, never a success.

A forced answer tells the model its length and its first tokens; what the model would say by itself is `completion`.
    value = exp( mean_i log P(o_i | prompt, o_1 .. o_(i-1)) )
"""

from __future__ import annotations

import torch

from ..model.lm import LM
from ._likely import likely
from ._metric import metric
from ._score import Observation, Progress
from .completion import Cases


@metric
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the geometric mean of the probabilities of each answer's tokens."""
    values = likely(lm, cases.prompts, cases.answers, chat=cases.chat, progress=progress).exp()
    return Observation(values, torch.ones(len(values), dtype=torch.float64))
