"""How far a figure moves though nothing has changed: a loss smaller than that is none that can be told.

    sampled, k texts a prompt:  var = 2 mean_i v_i / (k n),   v_i = p_i (1 - p_i) k / (k - 1): of the texts of prompt i
    sampled, one text a prompt: var = 2 p (1 - p) / n,        another seed may change any of them
    greedy:                     var = p (1 - p) / n,          another set of n prompts
    noise = Q sqrt(var)         p: share, p_i: of prompt i, n: prompts, Q: the upper quantile of a normal

The texts of a prompt are the base sampled with other seeds, so that no text is written for this. A share is moved off 0 and 1 by
half a case, as in so few cases it is never known to be either. Perplexities and divergences are read, not sampled, and are exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..measure.budget import ROUNDING, Budget
from ..measure.evaluation import Baseline
from ..measure.suite import Measure, Suite
from ..metrics._score import Observation

QUANTILE = 1.645  # of a normal: one in twenty differs by more though nothing has changed
Noise = dict[str, float]  # by measure: a change that is smaller says nothing


def noise_of(baseline: Baseline, suite: Suite) -> Noise:
    """Return by how much each share of a suite differs from itself at most, in 19 of 20 cases.

    Args:
        baseline: observations of the base.
        suite: its measures.
    """
    return {m.name: _quantile(baseline[m.name], m.cases) if m.unit == "share" else 0.0 for m in suite}


def _quantile(observation: Observation, cases: Any) -> float:  # noqa: ANN401 - whatever a metric observes
    shares, count = observation.values, len(observation.values)
    share = (float(shares.sum()) + 0.5) / (count + 1)
    samples = int(getattr(cases, "samples", 1))
    spread = share * (1 - share)
    if not getattr(cases, "temperature", 0.0):
        return QUANTILE * math.sqrt(spread / count)
    if samples > 1:
        within = float((shares * (1 - shares)).mean()) * samples / (samples - 1)
        spread = max(within, 0.5 / (count + 1)) / samples  # that no text differed in so few is luck, too
    return QUANTILE * math.sqrt(2 * spread / count)


def worse_end(share: float, count: int, *, lower: bool) -> float:
    """Return the end of Wilson's interval of a share that is the worse one: 19 of 20 such shares are no worse than that.

    Args:
        share: as it was counted.
        count: of how many texts.
        lower: less of it is better.
    """
    square = QUANTILE**2 / count
    middle = (share + square / 2) / (1 + square)
    half = QUANTILE * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return middle + half if lower else middle - half


def allowed(budget: Budget, measure: Measure, noise: Mapping[str, float], margin: float = 1.0) -> Budget:
    """Return the budget of one measure: the given share of the points, or its noise where that is more.

    Args:
        budget: what an edit may cost.
        measure: which is to be kept.
        noise: see `noise_of`; a measure that is not in it has none.
        margin: share of the budget's points that may be lost.
    """
    return replace(budget, points=max(budget.points * margin, noise.get(measure.name, 0.0)))


def excess(
    budget: Budget,
    suite: Suite,
    base: Mapping[str, float],
    now: Mapping[str, float],
    noise: Mapping[str, float],
    margin: float = 1.0,
) -> float:
    """Return the largest overstepping of what is allowed over the measures to keep that were made; 0 when it is kept.

    Args:
        budget: what an edit may cost.
        suite: its measures of the role "keep" count.
        base: figures of the base.
        now: figures of the edit.
        noise: see `noise_of`.
        margin: as of `allowed`.
    """
    over = max(
        (allowed(budget, m, noise, margin).worst([m], base, now) - 1 for m in suite if m.name in now), default=0.0
    )
    return over if over > ROUNDING else 0.0
