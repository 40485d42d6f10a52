"""What a search measures: points, each a candidate at one strength, and the frontier they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..io.json_files import read_json, write_json
from ..measure.budget import Budget
from ..measure.evaluation import Baseline, observe, values
from ..measure.report import SearchPoint
from ..measure.suite import Suite
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..text.phase import counted
from .strength_sweep import strength_sweep

HOPELESS = 1.0  # excess over the budget, in units of it, from which nothing more is measured
Settings = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One candidate at one strength.

    Attributes:
        settings: what makes the candidate.
        strength: multiple of it.
        values: figures by measure; those that were made.
        excess: how far it oversteps the budget, in units of it; 0 when it keeps it.
        gain: how far the target moved the right way; nan where it was not measured, as too much was lost.
        size: norm of the change.
    """

    settings: Settings
    strength: float
    values: dict[str, float]
    excess: float
    gain: float
    size: float

    @property
    def label(self) -> str:
        """The settings as people read them."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items())


@dataclass(frozen=True, eq=False)
class Frontier:
    """What a search found.

    Attributes:
        base: the base's figures.
        points: all points.
        best: the chosen one; None when none keeps the budget and gains.
        order: the points that keep the budget and gain, in the order of choice.
    """

    base: dict[str, float]
    points: list[Point]
    best: Point | None = field(default=None)
    order: list[Point] = field(default_factory=list)

    def shown(self, suite: Suite, target: str, budget: Budget | None = None) -> list[SearchPoint]:
        """Return the points as a report shows them, with the worst share of the budget that each uses."""
        budget = budget or Budget()
        return [
            SearchPoint(
                point.label,
                point.strength,
                None if math.isnan(point.gain) else point.values[target],
                budget.worst(suite, self.base, point.values),
                within=point.excess == 0,
                chosen=point is self.best,
                rejected="does not help" if point.gain <= 0 else "",
            )
            for point in self.points
        ]

    def save(self, path: Path) -> None:
        """Write the search as JSON."""
        numbers = {id(point): number for number, point in enumerate(self.points)}
        content = {
            "base": self.base,
            "points": [vars(point) for point in self.points],
            "best": None if self.best is None else numbers[id(self.best)],
            "order": [numbers[id(point)] for point in self.order],
        }
        write_json(content, path)

    @classmethod
    def load(cls, path: Path) -> Frontier:
        """Read what `save` wrote."""
        content = read_json(path)
        points = [Point(**point) for point in content["points"]]
        best = content["best"]
        return cls(
            content["base"], points, None if best is None else points[best], [points[i] for i in content["order"]]
        )

    def curve(self, settings: Settings) -> dict[float, dict[str, float]]:
        """Return the figures of some settings by strength, 0 being the base; only what was measured whole."""
        measured = [p for p in self.points if p.settings == settings and not math.isnan(p.gain)]
        return {0.0: self.base, **{p.strength: p.values for p in measured}}


@dataclass(frozen=True)
class Measured:
    """The base, measured once, and what its figures are compared by."""

    lm: LM
    suite: Suite
    target: str
    budget: Budget
    baseline: Baseline
    base: dict[str, float]
    sign: float  # +1 when more of the target is better

    @classmethod
    def of(
        cls,
        lm: LM,
        suite: Suite,
        target: str,
        budget: Budget | None,
        progress: Progress | None,
        baseline: Baseline | None = None,
    ) -> Measured:
        """Measure the base, unless that was done."""
        better = next(m.better for m in suite if m.name == target)
        baseline = baseline or observe(lm, suite, progress)
        sign = 1.0 if better == "higher" else -1.0
        return cls(lm, suite, target, budget or Budget(), baseline, values(baseline, suite), sign)

    def points(
        self, settings: Settings, patch: Patch, strengths: Sequence[float], progress: Progress | None
    ) -> list[Point]:
        """Measure what must be kept first, the cheapest first: where it is lost, the rest need not be generated."""
        aim = next(m for m in self.suite if m.name == self.target)
        to_keep = sorted((m for m in self.suite if m is not aim), key=lambda m: m.kind.cost == "writes")
        sweep = partial(strength_sweep, self.lm, patch, baseline=self.baseline)
        order = (*to_keep, aim)
        steps = counted(progress, [measure.name for measure in order], "measure")
        curves: dict[float, dict[str, float]] = {strength: {} for strength in strengths}
        alive = list(strengths)
        for measure, step in zip(order, steps, strict=True):
            swept = sweep(alive, [measure], progress=step) if alive else []
            for strength, figures in zip(alive, swept, strict=True):
                curves[strength] |= figures
            alive = [s for s in alive if self.budget.excess(to_keep, self.base, curves[s]) <= HOPELESS]
        size = patch.provenance.effect["intended"]
        points = []
        for strength, figures in curves.items():
            figures.setdefault(self.target, math.nan)
            gain = self.sign * (figures[self.target] - self.base[self.target])
            over = self.budget.excess(to_keep, self.base, figures)
            points.append(Point(settings, strength, figures, over, gain, size * abs(strength)))
        return points

    def enough(self, point: Point, stop_at: float) -> bool:
        """Return whether a point moves the target as far as is wanted."""
        return self.sign * point.values[self.target] >= self.sign * stop_at

    def frontier(self, points: list[Point], stop_at: float | None) -> Frontier:
        """Choose: the gentlest point that does enough, or else the one that does most, within budget."""
        allowed = [p for p in points if p.excess == 0 and p.gain > 0]
        enough = [p for p in allowed if stop_at is not None and self.enough(p, stop_at)]
        less = [p for p in allowed if p not in enough]
        order = sorted(enough, key=lambda p: p.size) + sorted(less, key=lambda p: -p.gain)
        return Frontier(self.base, points, order[0] if order else None, order)
