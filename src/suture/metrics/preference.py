"""Whether one forced answer is likelier than another: what the papers on editing call success. A diagnostic here.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.3 (ES, PS and NS of CounterFact).
    value = 1 if mean_i log P(o_i | ..) > mean_i log P(o'_i | ..), else 0
A model may prefer an answer that it would never say; what it says is `completion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..model.lm import LM
from ._likely import likely
from ._metric import metric
from ._score import Observation, Progress


@dataclass(frozen=True)
class Cases:
    """Prompts, each with the answer that should be preferred and the one it is held against."""

    prompts: Sequence[str]
    answers: Sequence[str]
    against: Sequence[str]
    chat: bool = False


@metric
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return 1 for each prompt whose answer is likelier than the other one, 0 for the rest."""
    logprob, other_logprob = (
        likely(lm, cases.prompts, answers, chat=cases.chat, progress=progress)
        for answers in (cases.answers, cases.against)
    )
    return Observation((logprob > other_logprob).double(), torch.ones(len(logprob), dtype=torch.float64))
