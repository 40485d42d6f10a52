"""Whether an answer is, token for token, what the model holds likeliest: the reliability of the papers on editing. A diagnostic.

Source: Yao et al. 2023, "Editing Large Language Models: Problems, Methods, and Opportunities", eq. 2.
    value = 1 if argmax_o P(o | prompt, o_1 .. o_(i-1)) = o_i for every token o_i of the answer, else 0
Unlike the token accuracy that its code prints, an answer of which a part is right counts 0. Where it is 1, greedy writing
begins with the tokens of the answer; `completion` asks for its words, however they are cut into tokens, and that the last of
them ends there.
"""

from __future__ import annotations

import torch

from ..model.lm import LM
from . import target_probability
from ._likely import likely
from ._metric import metric
from ._score import Observation, Progress
from .completion import Cases


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation from one of `target_probability` or of this metric."""
    return observation(made.extra["logprob"], made.extra["first"])


@metric(cache_key=target_probability.same, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return 1 for each answer of which every token is the likeliest, 0 for the rest."""
    forced = likely(lm, cases.prompts, cases.answers, chat=cases.chat, progress=progress)
    return observation(forced.logprob.tolist(), forced.first.tolist())


def observation(logprob: list[float], first: list[bool]) -> Observation:
    """Return the observation of what was forced; `extra` keeps it for others."""
    values = torch.tensor(first, dtype=torch.float64)
    return Observation(values, torch.ones_like(values), extra={"logprob": logprob, "first": first})
