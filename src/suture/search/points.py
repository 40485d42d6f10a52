"""What a search measures: points, each a candidate at one strength, and the frontier they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..io.json_files import read_json, write_json
from ..measure.budget import Budget
from ..measure.evaluation import Baseline, observe, values
from ..measure.report import SearchPoint
from ..measure.suite import Measure, Suite, measure_named
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..text.phase import counted
from .noise import Noise, excess, noise_of, worse_end
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
        earlier: points of candidates that were measured on few cases and went no further; not to be compared with the others.
        refused: points of `order` that cost too much on fresh cases, with their figures and excess there.
    """

    base: dict[str, float]
    points: list[Point]
    best: Point | None = field(default=None)
    order: list[Point] = field(default_factory=list)
    earlier: list[Point] = field(default_factory=list)
    refused: list[Point] = field(default_factory=list)

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
            if point.excess
            or not math.isnan(point.gain)  # gentle ones, at which the target was not asked for, say nothing
        ]

    def tried(self, target: str) -> list[dict[str, Any]]:
        """Return every candidate that was measured, with the best that it did within the budget, as JSON can hold it.

        Args:
            target: name of the measure to move.

        Returns:
            By candidate its `label`, the `strength` of its best point and the `target` there (None where it has none within the
            budget), and whether it came to `all` cases or was measured on `few`.
        """
        rows: list[dict[str, Any]] = []
        for points, cases in ((self.points, "all"), (self.earlier, "few")):
            labels = {point.label: point.settings for point in points}
            done = {row["label"] for row in rows}
            for label in (name for name in labels if name not in done):
                within = [p for p in points if p.label == label and p.excess == 0 and p.gain > 0]
                best = max(within, key=lambda p: p.gain, default=None)
                reached = None if best is None else best.values[target]
                rows.append({"label": label, "strength": best and best.strength, "target": reached, "cases": cases})
        return rows

    def save(self, path: Path) -> None:
        """Write the search as JSON."""
        numbers = {id(point): number for number, point in enumerate(self.points)}
        content = {
            "base": self.base,
            "points": [vars(point) for point in self.points],
            "best": None if self.best is None else numbers[id(self.best)],
            "order": [numbers[id(point)] for point in self.order],
            "earlier": [vars(point) for point in self.earlier],
            "refused": [vars(point) for point in self.refused],
        }
        write_json(content, path)

    @classmethod
    def load(cls, path: Path) -> Frontier:
        """Read what `save` wrote."""
        content = read_json(path)
        points = [Point(**point) for point in content["points"]]
        best, order = content["best"], [points[i] for i in content["order"]]
        earlier, refused = ([Point(**point) for point in content.get(name, ())] for name in ("earlier", "refused"))
        return cls(content["base"], points, None if best is None else points[best], order, earlier, refused)

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
    noise: Noise  # a loss below it is none

    @classmethod
    def of(
        cls,
        lm: LM,
        suite: Suite,
        target: str,
        budget: Budget | None = None,
        progress: Progress | None = None,
        baseline: Baseline | None = None,
    ) -> Measured:
        """Measure the base, unless that was done."""
        better = measure_named(suite, target).better
        baseline = baseline or observe(lm, suite, progress)
        sign = 1.0 if better == "higher" else -1.0
        base, noise = values(baseline, suite), noise_of(baseline, suite)
        return cls(lm, suite, target, budget or Budget(), baseline, base, sign, noise)

    def part(self, sizes: Mapping[str, int], target: str | None = None) -> Measured:
        """Return the same on the first cases of some measures, from what the base was observed to do: nothing is asked again.

        So few cases dismiss only what surely costs too much: a share that falls by more than the budget and its noise together.

        Args:
            sizes: cases of each measure; those it does not name are left out.
            target: the measure to move; by default the same.
        """
        suite = [m.part(slice(sizes[m.name])) for m in self.suite if m.name in sizes]
        baseline = {m.name: self.baseline[m.name].part(slice(len(m))) for m in suite}
        few = Measured.of(self.lm, suite, target or self.target, self.budget, None, baseline)
        return replace(few, noise={name: noise and noise + self.budget.points for name, noise in few.noise.items()})

    @property
    def aim(self) -> Measure:
        """The measure to move."""
        return measure_named(self.suite, self.target)

    @property
    def to_keep(self) -> Suite:
        """All others."""
        return [m for m in self.suite if m.name != self.target]

    def figures(
        self, patch: Patch, strengths: Sequence[float], suite: Suite, progress: Progress | None = None
    ) -> list[dict[str, float]]:
        """Return the figures of some measures at each strength; nothing is asked for no strengths."""
        if not strengths:
            return []
        return strength_sweep(self.lm, patch, strengths, suite, baseline=self.baseline, progress=progress)

    def excess(self, figures: Mapping[str, float]) -> float:
        """Return by how much figures overstep the budget, in units of it; a loss within the noise is none."""
        return excess(self.budget, self.to_keep, self.base, figures, self.noise)

    def point(self, settings: Settings, strength: float, figures: dict[str, float], size: float) -> Point:
        """Return the point of some figures; of a target that was not measured the gain is nan."""
        figures = {**figures}
        figures.setdefault(self.target, math.nan)
        gain = self.sign * (figures[self.target] - self.base[self.target])
        return Point(settings, strength, figures, self.excess(figures), gain, size * abs(strength))

    def points(
        self, settings: Settings, patch: Patch, strengths: Sequence[float], progress: Progress | None
    ) -> list[Point]:
        """Measure what must be kept first, the cheapest first: where it is lost, the rest need not be generated."""
        writes = [m for m in self.to_keep if m.kind.cost == "writes"]
        reads = [m for m in self.to_keep if m.kind.cost != "writes"]
        order = [suite for suite in (reads, *([m] for m in writes), [self.aim]) if suite]
        steps = counted(progress, [suite[0].name for suite in order], "measure")
        curves: dict[float, dict[str, float]] = {strength: {} for strength in strengths}
        alive = list(strengths)
        for suite, step in zip(order, steps, strict=True):
            for strength, figures in zip(alive, self.figures(patch, alive, suite, step), strict=True):
                curves[strength] |= figures
            alive = [s for s in alive if self.excess(curves[s]) <= HOPELESS]
        size = patch.provenance.effect["intended"]
        return [self.point(settings, strength, figures, size) for strength, figures in curves.items()]

    def enough(self, point: Point, stop_at: float | None) -> bool:
        """Return whether a point moves the target as far as is wanted, as far as so few texts can tell."""
        return stop_at is not None and self.sign * self._sure(point.values[self.target]) >= self.sign * stop_at

    def _sure(self, figure: float) -> float:
        """Return a figure of the target as it is at worst: that none of a few texts shows a behaviour is luck, too."""
        if self.aim.unit != "share" or math.isnan(figure):
            return figure
        texts = len(self.aim) * int(getattr(self.aim.cases, "samples", 1))
        return worse_end(figure, texts, lower=self.aim.better == "lower")

    def frontier(self, points: list[Point], stop_at: float | None, earlier: Sequence[Point] = ()) -> Frontier:
        """Choose: the gentlest point that surely does enough, or else the one that does most, within budget.

        Few texts do not tell strong points apart; of those that do equally much the candidate that came first is taken, at its
        strongest.
        """
        came = {label: number for number, label in enumerate(dict.fromkeys(p.label for p in points))}
        allowed = [p for p in points if p.excess == 0 and p.gain > 0]
        enough = [p for p in allowed if self.enough(p, stop_at)]
        less = [p for p in allowed if p not in enough]
        order = sorted(enough, key=lambda p: p.size) + sorted(less, key=lambda p: (-p.gain, came[p.label], -p.strength))
        return Frontier(self.base, points, order[0] if order else None, order, list(earlier))
