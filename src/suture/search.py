"""Find the strength that does most within a damage budget, with all strengths of a candidate in the same batches.

A candidate patch is attached, not merged, and every prompt is repeated once per strength with its own dose, so a curve
costs about as much as its prompts, not a model per point. The chosen point is then measured merged, on other prompts.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .budget import Budget
from .evaluation import Baseline, observe, values
from .figures.frontier import SearchPoint
from .generation import Doses
from .lm import LM
from .metrics._score import Observation, Progress
from .patch import Patch
from .suite import Measure, Suite


@dataclass(frozen=True, eq=False)
class Point:
    """One candidate at one strength: the figures, and how far it oversteps the budget (0: it keeps it)."""

    label: str
    patch: Patch
    strength: float
    values: dict[str, float]
    excess: float
    gain: float

    @property
    def scaled(self) -> Patch:
        """The patch at the point's strength."""
        return self.patch * self.strength


@dataclass(frozen=True, eq=False)
class Frontier:
    """All points of a search, the base's figures, and the chosen point (None when none keeps the budget and gains)."""

    base: dict[str, float]
    points: list[Point]
    best: Point | None = field(default=None)

    def shown(self, suite: Suite, target: str, budget: Budget | None = None) -> list[SearchPoint]:
        """Return the points as a report shows them, with the worst share of the budget that each uses."""
        budget = budget or Budget()
        return [
            SearchPoint(
                point.label,
                point.strength,
                point.values[target],
                budget.worst(suite, self.base, point.values),
                within=point.excess == 0,
                chosen=point is self.best,
                rejected="" if point.gain > 0 else "does not help",
            )
            for point in self.points
        ]


def dose_response(
    lm: LM,
    patch: Patch,
    strengths: Sequence[float],
    suite: Suite,
    *,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Return the figures of a suite at several strengths of a patch.

    Args:
        lm: the base model.
        patch: the edit; attached, so its weights' rounding is not part of the curve.
        strengths: multiples of the patch.
        suite: what to measure.
        baseline: observations of the base, needed for measures of change (drift).
        progress: called as measures advance.
    """
    curves: list[dict[str, float]] = [{} for _ in strengths]
    for measure in suite:
        for found, seen in zip(curves, _at_doses(lm, patch, strengths, measure, progress), strict=True):
            against = baseline[measure.name] if baseline else seen
            found.update(values({measure.name: seen}, [measure], {measure.name: against}))
    return curves


def search(
    lm: LM,
    candidates: Mapping[str, Patch],
    strengths: Sequence[float],
    suite: Suite,
    target: str,
    *,
    budget: Budget | None = None,
    stop_at: float | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Measure candidates at several strengths and choose.

    Args:
        lm: the base model.
        candidates: patches at strength 1, by a label.
        strengths: multiples to try.
        suite: the target and what to keep, on prompts that are not used for reporting.
        target: name of the measure to move.
        budget: what it may cost.
        stop_at: a share of the target that is enough; the gentlest point that reaches it is chosen.
        progress: called as measures advance.

    Returns:
        Every point, and the one within budget that moves the target most (or far enough with the smallest change).
    """
    budget = budget or Budget()
    baseline = observe(lm, suite, progress)
    base = values(baseline, suite)
    measure = next(m for m in suite if m.name == target)
    sign = 1.0 if measure.better == "higher" else -1.0
    points: list[Point] = []
    for label, patch in candidates.items():
        curves = dose_response(lm, patch, strengths, suite, baseline=baseline, progress=progress)
        for strength, found in zip(strengths, curves, strict=True):
            excess = budget.excess(suite, base, found)
            points.append(Point(label, patch, strength, found, excess, sign * (found[target] - base[target])))
    return Frontier(base, points, _best(points, sign, target, stop_at))


def _best(points: list[Point], sign: float, target: str, stop_at: float | None) -> Point | None:
    allowed = [p for p in points if p.excess == 0 and p.gain > 0]
    if not allowed:
        return None
    if stop_at is not None and (enough := [p for p in allowed if sign * p.values[target] >= sign * stop_at]):
        return min(enough, key=lambda p: p.strength * p.patch.provenance.effect["intended"])
    return max(allowed, key=lambda p: p.gain)


def _at_doses(
    lm: LM, patch: Patch, strengths: Sequence[float], measure: Measure, progress: Progress | None
) -> list[Observation]:
    metric = importlib.import_module(f".metrics.{measure.metric}", __package__)
    if measure.metric not in ("sampled", "completion"):  # no generation: a pass per strength is all there is to share
        found = []
        for strength in strengths:
            with patch.attached(lm, strength):
                found.append(metric.observe(lm, measure.cases, progress))
        return found
    count, cases = len(measure.cases.prompts), measure.cases
    tiled = replace(cases, prompts=list(cases.prompts) * len(strengths))
    if measure.metric == "completion":
        tiled = replace(tiled, answers=list(cases.answers) * len(strengths))
    with patch.attached(lm) as dose:
        doses = Doses(dose, [strength for strength in strengths for _ in range(count)])
        seen: Observation = metric.observe(lm, tiled, progress, doses)
    return [_part(seen, slice(i * count, (i + 1) * count)) for i in range(len(strengths))]


def _part(seen: Observation, part: slice) -> Observation:
    extra = {key: value[part] for key, value in seen.extra.items()}
    return Observation(seen.values[part], seen.weights[part], seen.texts[part], extra)
