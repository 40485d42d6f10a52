"""Whether one forced answer is likelier than another: what the papers on editing call success. A diagnostic here.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.3 (ES, PS and NS of CounterFact).
    value = 1 if mean_i log P(o_i | ..) > mean_i log P(o'_i | ..), else 0
A model may prefer an answer that it would never say; what it says is `completion`. By how much is `magnitude`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch

from ..model.lm import LM
from ..text.phase import parts
from ._likely import likely, same_answers
from ._metric import metric
from ._score import Observation, Progress


@dataclass(frozen=True)
class Cases:
    """Prompts, each with the answer that should be preferred and the one it is held against."""

    prompts: Sequence[str]
    answers: Sequence[str]
    against: Sequence[str]
    chat: bool = False


def same(cases: Cases) -> Hashable:
    """Return the key of what is forced; `magnitude` reads the same."""
    return same_answers(cases.prompts, cases.answers, cases.against, chat=cases.chat)


def pairs(lm: LM, cases: Cases, progress: Progress | None = None) -> dict[str, list[float]]:
    """Return the mean log probability of a token of each answer, "logprob", and of the one it is held against, "against"."""
    answers = {"logprob": cases.answers, "against": cases.against}
    steps = parts(progress, [len(cases.prompts)] * len(answers))
    return {
        name: likely(lm, cases.prompts, given, chat=cases.chat, progress=step).logprob.tolist()
        for (name, given), step in zip(answers.items(), steps, strict=True)
    }


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation from one of `magnitude` or of this metric."""
    return observation(made.extra)


@metric(cache_key=same, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return 1 for each prompt whose answer is likelier than the other one, 0 for the rest."""
    return observation(pairs(lm, cases, progress))


def observation(logprobs: dict[str, list[float]]) -> Observation:
    """Return the observation of what `pairs` found; `extra` keeps it for others."""
    values = [float(new > old) for new, old in zip(logprobs["logprob"], logprobs["against"], strict=True)]
    return Observation(
        torch.tensor(values, dtype=torch.float64), torch.ones(len(values), dtype=torch.float64), extra=logprobs
    )
