"""By how much one forced answer is likelier than another: EM, PM and NM of CounterFact. A diagnostic.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.3 (efficacy, paraphrase and neighbourhood
magnitude), as the authors' `experiments/summarize.py` figures them:
    value = exp( mean_i log P(o_i | ..) ) - exp( mean_i log P(o'_i | ..) )         in [-1, 1]
"""

from __future__ import annotations

import torch

from ..model.lm import LM
from . import preference
from ._metric import metric
from ._score import Observation, Progress
from .preference import Cases


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation from one of `preference` or of this metric."""
    return observation(made.extra)


@metric(unit="points", cache_key=preference.same, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return for each prompt how much likelier its answer is than the other one, as a difference of probabilities."""
    return observation(preference.pairs(lm, cases, progress))


def observation(logprobs: dict[str, list[float]]) -> Observation:
    """Return the observation of what `preference.pairs` found; `extra` keeps it for others."""
    new, old = (torch.tensor(logprobs[name], dtype=torch.float64).exp() for name in ("logprob", "against"))
    return Observation(new - old, torch.ones_like(new), extra=logprobs)
