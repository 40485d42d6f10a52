"""Find the settings and the strength that do most within a damage budget.

All strengths of a candidate share their batches: its patch is attached, not merged, and every prompt is repeated once per
strength with its own dose, so a curve costs about as much as its prompts, not a model per point. Settings are searched by
optuna's tree-structured Parzen estimator in a journal on disk, so an interrupted search goes on where it was. The chosen
point is then measured merged, on other prompts.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from .budget import Budget
from .errors import UsageError
from .evaluation import Baseline, observe, values
from .figures.frontier import SearchPoint
from .generation import Doses
from .lm import LM
from .metrics._score import Observation, Progress
from .patch import Patch
from .suite import Measure, Suite

HOPELESS = 1.0  # excess over the budget, in units of it, from which nothing more is measured
TRIES, SIDE_BY_SIDE = 4, 2  # settings, and strengths of each at a time, that are tried on fresh cases
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

    def curve(self, settings: Settings) -> dict[float, dict[str, float]]:
        """Return the figures of some settings by strength, 0 being the base; only what was measured whole."""
        measured = [p for p in self.points if p.settings == settings and not math.isnan(p.gain)]
        return {0.0: self.base, **{p.strength: p.values for p in measured}}


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
    measured = Measured.of(lm, suite, target, budget, progress)
    points = [
        p
        for label, patch in candidates.items()
        for p in measured.points({"candidate": label}, patch, strengths, progress)
    ]
    return measured.frontier(points, stop_at)


def confirmed(
    lm: LM,
    found: Frontier,
    make: Callable[[Settings], Patch],
    suite: Suite,
    budget: Budget,
    *,
    tries: int = TRIES,
    progress: Progress | None = None,
) -> Frontier:
    """Choose again: the first point, in the order of choice, that keeps the budget on cases the search has not seen.

    The best of many points was also lucky. Points of the same settings are measured side by side.

    Args:
        lm: the base model.
        found: what a search found.
        make: as of `explore`.
        suite: what to keep, on fresh cases.
        budget: what the edit may cost on them.
        tries: settings tried at most.
        progress: called as measures advance.

    Returns:
        The same search with the point chosen; None where no tried one keeps the budget.
    """
    baseline = observe(lm, suite, progress)
    base = values(baseline, suite)
    over: dict[tuple[str, float], float] = {}
    for point in found.order:
        if (point.label, point.strength) not in over:
            if len({label for label, _ in over} | {point.label}) > tries:
                continue
            left = [p.strength for p in found.order if p.label == point.label and (p.label, p.strength) not in over]
            same = left[:SIDE_BY_SIDE]
            curves = dose_response(lm, make(point.settings), same, suite, baseline=baseline, progress=progress)
            over |= {(point.label, s): budget.excess(suite, base, now) for s, now in zip(same, curves, strict=True)}
        if over[point.label, point.strength] == 0:
            return replace(found, best=point)
    return replace(found, best=None)


def explore(
    lm: LM,
    make: Callable[[Settings], Patch],
    space: Mapping[str, Sequence[Any]],
    strengths: Sequence[float],
    suite: Suite,
    target: str,
    *,
    first: Sequence[Settings] = (),
    trials: int = 12,
    budget: Budget | None = None,
    stop_at: float | None = None,
    baseline: Baseline | None = None,
    journal: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Frontier:
    """Search settings and strengths together.

    Args:
        lm: the base model.
        make: returns the patch of some settings at strength 1.
        space: the values each setting may take.
        strengths: multiples tried of each.
        suite: the target and what to keep, on prompts that are not used for reporting.
        target: name of the measure to move.
        first: settings tried before any are suggested.
        trials: how many settings are tried at most.
        budget: what the edit may cost.
        stop_at: a share of the target that is enough: the search ends with the first settings that reach it.
        baseline: observations of the base on the suite, if already made.
        journal: file in which the search is kept; one that exists is continued.
        seed: of the suggestions. They depend on it and on the finished trials alone, so that a continued search makes
            the choices that an uninterrupted one would have made.
        progress: called as measures advance.

    Raises:
        UsageError: when optuna is not installed.
    """
    optuna = _optuna()
    measured = Measured.of(lm, suite, target, budget, progress, baseline)
    backend = optuna.storages.journal.JournalFileBackend(str(journal)) if journal else None
    storage = optuna.storages.JournalStorage(backend) if backend else None
    states = optuna.trial.TrialState
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    for left in study.get_trials(states=(states.RUNNING, states.WAITING)):
        study.tell(left.number, state=states.FAIL)
    while True:
        done = study.get_trials(states=(states.COMPLETE,))
        points = [Point(**point) for trial in done for point in json.loads(trial.user_attrs["points"])]
        found = measured.frontier(points, stop_at)
        if len(done) >= trials or (found.best and stop_at is not None and measured.enough(found.best, stop_at)):
            return found
        study.sampler = optuna.samplers.TPESampler(seed=seed + len(done), n_startup_trials=max(4, len(first)))
        if len(done) < len(first):
            study.enqueue_trial(first[len(done)])
        trial = study.ask()
        settings = {name: trial.suggest_categorical(name, list(choices)) for name, choices in space.items()}
        known = next((t for t in done if t.params == settings), None)
        if known:  # optuna may repeat itself: no need to measure
            trial.set_user_attr("points", "[]")
            study.tell(trial, known.value)
            continue
        step = _prefixed(progress, f"settings {len(done) + 1} of {trials}")
        made = measured.points(settings, make(settings), strengths, step)
        trial.set_user_attr("points", json.dumps([vars(p) for p in made]))
        study.tell(trial, max(p.gain if p.excess == 0 else -p.excess for p in made))


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
        kept = sorted((m for m in self.suite if m is not aim), key=lambda m: m.metric == "sampled")
        measure = partial(dose_response, self.lm, patch, baseline=self.baseline, progress=progress)
        curves: dict[float, dict[str, float]] = {strength: {} for strength in strengths}
        alive = list(strengths)
        for each in (*kept, aim):
            for strength, found in zip(alive, measure(alive, [each]) if alive else [], strict=True):
                curves[strength] |= found
            alive = [s for s in alive if self.budget.excess(kept, self.base, curves[s]) <= HOPELESS]
        size = patch.provenance.effect["intended"]
        made = []
        for strength, found in curves.items():
            found.setdefault(self.target, math.nan)
            gain = self.sign * (found[self.target] - self.base[self.target])
            over = self.budget.excess(kept, self.base, found)
            made.append(Point(settings, strength, found, over, gain, size * abs(strength)))
        return made

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


def _at_doses(
    lm: LM, patch: Patch, strengths: Sequence[float], measure: Measure, progress: Progress | None
) -> list[Observation]:
    metric = importlib.import_module(f".metrics.{measure.metric}", __package__)
    attachable = patch.attachable(lm)
    if not attachable or measure.metric not in ("sampled", "completion"):  # nothing to share: a pass per strength
        found = []
        for strength in strengths:
            with patch.attached(lm, strength) if attachable else (patch * strength).applied(lm):
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


def _prefixed(progress: Progress | None, prefix: str) -> Progress | None:
    if progress is None:
        return None
    inner: Callable[[str, int, int], None] = progress
    return lambda what, done, of: inner(f"{prefix}, {what}", done, of)


def _optuna() -> Any:  # noqa: ANN401 - an optional module
    try:
        import optuna
    except ImportError as problem:
        fix = "pip install 'suture[search]'"
        raise UsageError(
            "searching settings needs one more package", why="optuna is not installed", fix=fix
        ) from problem
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _part(seen: Observation, part: slice) -> Observation:
    extra = {key: value[part] for key, value in seen.extra.items()}
    return Observation(seen.values[part], seen.weights[part], seen.texts[part], extra)
