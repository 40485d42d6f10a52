"""S, the harmonic mean of ES, PS and NS: one figure for an edit that must take, hold in other words, and spare the neighbours.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.3 and `experiments/summarize.py`.
    S = 3 / (1 / ES + 1 / PS + 1 / NS)     each the mean over facts of a fact's mean over its prompts (`preference`), or 0
Forced, as they are: a diagnostic. The interval resamples facts, each with all of its prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..model.lm import LM
from ..text.phase import parts
from . import preference
from ._metric import metric
from ._score import RESAMPLES, Observation, Progress, Score

Triple = tuple[str, str, str]  # prompt, the answer that should be likelier, the other one


@dataclass(frozen=True)
class Cases:
    """Facts, each with what ES, PS and NS ask of it.

    Attributes:
        prompts: of each fact, in its own words, with the answer that should be likelier and the one it is held against.
        paraphrases: of each fact, likewise, at least one.
        neighbours: of each fact, likewise, at least one; here the true answer should be likelier than the new one.
        chat: write the prompts with the chat template.
    """

    prompts: Sequence[Sequence[Triple]]
    paraphrases: Sequence[Sequence[Triple]]
    neighbours: Sequence[Sequence[Triple]]
    chat: bool = False


GROUPS = tuple(field.name for field in fields(Cases))[:3]


def score(before: Observation, after: Observation) -> Score:
    """Compare the harmonic means, over resampled facts."""
    shares = [
        torch.tensor([o.extra[name] for name in GROUPS], dtype=torch.float64) for o in (before, after)
    ]  # (3, facts)
    count = shares[0].shape[1]
    picks = torch.randint(count, (RESAMPLES, count), generator=torch.Generator().manual_seed(0))
    old, new = (harmonic(share[:, picks].mean(-1)) for share in shares)  # (resamples,)
    low, high = (new - old).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    was, now = (float(harmonic(share.mean(-1))) for share in shares)
    return Score(was, now, now - was, low, high, count)


@metric(score=score)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return for each fact the harmonic mean of its own three shares; `extra` has the shares, which the score is made of."""
    groups = {name: getattr(cases, name) for name in GROUPS}
    steps = parts(progress, [2 * sum(map(len, facts)) for facts in groups.values()])  # both answers of each prompt
    shares = {
        name: _shares(lm, facts, cases.chat, step) for (name, facts), step in zip(groups.items(), steps, strict=True)
    }
    values = harmonic(torch.tensor([shares[name] for name in GROUPS], dtype=torch.float64))
    return Observation(values, torch.ones_like(values), extra=shares)


def harmonic(shares: Tensor) -> Tensor:
    """Return the harmonic mean over the first dimension, 0 where a share is 0."""
    return shares.shape[0] / (1 / shares).sum(0)


def _shares(lm: LM, facts: Sequence[Sequence[Triple]], chat: bool, progress: Progress | None) -> list[float]:
    """Return for each fact the share of its prompts whose answer is likelier."""
    rows = [triple for fact in facts for triple in fact]
    prompts, answers, against = ([row[i] for row in rows] for i in range(3))
    rest = iter(preference.observe(lm, preference.Cases(prompts, answers, against, chat), progress).values.tolist())
    return [sum(next(rest) for _ in fact) / len(fact) for fact in facts]
