"""Observations, scores, and the paired bootstrap that every metric uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ..text.phase import Progress as Progress

RESAMPLES = 2_000  # of the cases, for a 95 % interval
# Of a metric's figures: its UNIT, a share if it has none.
Unit = Literal["share", "points", "perplexity", "nats", "bits", "cosine"]


@dataclass(frozen=True, eq=False)
class Observation:
    """What one model did on the cases.

    Attributes:
        values: one number a case, (cases,) float64.
        weights: how much each case counts (samples, tokens), (cases,) float64.
        texts: what the model wrote, a list for each case; for reading, not for scoring.
        extra: anything else `score` needs.
    """

    values: Tensor
    weights: Tensor
    texts: list[list[str]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Weighted mean of the values."""
        return float((self.values * self.weights).sum() / self.weights.sum())

    def part(self, which: slice) -> Observation:
        """Return what was observed on some of the cases; what `extra` keeps by a case's number is numbered anew."""
        cases = range(len(self.values))[which]
        extra = {
            key: {new: value[old] for new, old in enumerate(cases) if old in value}
            if isinstance(value, dict)
            else value[which]
            for key, value in self.extra.items()
        }
        return Observation(self.values[which], self.weights[which], self.texts[which], extra)


@dataclass(frozen=True)
class Score:
    """Before and after on one property.

    Attributes:
        before: of the base model.
        after: of the patched one.
        change: after - before, or their ratio - 1 (perplexity).
        low: 2.5 % quantile of `change` over resampled cases, base and patched resampled together.
        high: 97.5 % quantile.
        cases: the denominator.
    """

    before: float
    after: float
    change: float
    low: float
    high: float
    cases: int


def paired(before: Observation, after: Observation, *, ratio: Callable[[Tensor], Tensor] | None = None) -> Score:
    """Return the score of two observations of the same cases.

    Args:
        before: of the base model.
        after: of the patched one.
        ratio: a map of weighted means to the reported figure (exp for perplexity); the change is then relative.
    """
    if len(before.values) != len(after.values):
        raise ValueError("observations of different cases")
    count = len(before.values)
    generator = torch.Generator().manual_seed(0)
    picks = torch.randint(count, (RESAMPLES, count), generator=generator)  # (resamples, cases)

    def means(observation: Observation, chosen: Tensor) -> Tensor:
        weight = observation.weights[chosen]
        mean = (observation.values[chosen] * weight).sum(-1) / weight.sum(-1)
        return ratio(mean) if ratio else mean

    def change(chosen: Tensor) -> Tensor:
        old, new = means(before, chosen), means(after, chosen)
        return new / old - 1 if ratio else new - old

    everything = torch.arange(count)[None]
    low, high = change(picks).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Score(
        float(means(before, everything)), float(means(after, everything)), float(change(everything)), low, high, count
    )
