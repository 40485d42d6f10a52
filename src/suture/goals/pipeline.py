"""From a goal to a verified patch: measure, fit, rank, search, confirm, refine, make, report.

Each stage takes what the one before returned, and is kept in the run's folder when it ends: a run that was interrupted goes
on from there, asks the model nothing again, and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ..errors import UsageError
from ..io.json_files import read_json, write_json
from ..locate.activity import Activity, activity, countable
from ..locate.direction_similarity import Directions, direction_similarity
from ..locate.region import Region
from ..measure import observations
from ..measure.budget import Budget
from ..measure.evaluation import Baseline, evaluate, observe, values
from ..measure.report import Report, Where
from ..measure.suite import Measure, Suite, measure_named
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Frontier, Measured, Settings, confirm_choice, explore, refine_choice
from ..text.phase import begin, numbered, within
from .factory import CandidateFactory
from .messages import absent, unmoved
from .schema import Goal, Method

SPACE: dict[str, list[Any]] = {
    "space": ["mlp.in", "residual"],
    "select": ["effect", "cosine"],
    "rows": [0.0125, 0.025, 0.05, 0.1],
    "blocks": ["all", "first half", "middle half", "last half"],
}
FIRST = tuple({"space": "mlp.in", "select": "effect", "rows": rows, "blocks": "all"} for rows in (0.05, 0.1))
PHASES = ("measure", "search", "measure afresh", "confirm", "refine", "make", "report")
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)  # mean row norms
ENOUGH = 0.1  # of the way from the base to the best that may be left
MARGIN = 1 / 3  # of the points that shares may lose, on the prompts that confirm a choice; but one case is luck
PRESENT = 0.03  # a behaviour shown by a smaller share of continuations can not be seen to fall
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a preset made: the patch, its report, and the search it was chosen in."""

    patch: Patch
    report: Report
    search: Frontier

    @property
    def chosen(self) -> Settings:
        """Settings and strength that were taken."""
        assert self.search.best is not None
        return {**self.search.best.settings, "strength": self.search.best.strength}


def reach(
    lm: LM,
    goal: Goal,
    run: Run,
    *,
    budget: Budget | None = None,
    space: Mapping[str, Sequence[Any]] = MappingProxyType(SPACE),
    first: Sequence[Settings] = FIRST,
    strengths: Sequence[float] = STRENGTHS,
    trials: int = 7,
    methods: Sequence[Method] | None = None,
    margin: float = MARGIN,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> Outcome:
    """Reach a goal.

    Args:
        lm: the model; not changed.
        goal: what to reach.
        run: the folder of the run.
        budget: what it may cost.
        space: values that each setting may take.
        first: settings tried before any are suggested.
        strengths: tried of each, in mean row norms.
        trials: settings of surgery tried at most.
        methods: tried; by default those of the goal.
        margin: share of the budget's points that the chosen one may use on the prompts that confirm it, but always one case.
        seed: of the probe's split, the search and the control.
        say: told what is being done, a line a stage.
        progress: called as work advances.

    Raises:
        UsageError: when the run is a single file.
        NoEffect: when the behaviour is not there, or nothing within the budget moves it.
    """
    if run.folder is None:
        raise UsageError("this writes several files", why="`out` names one of them.", fix="Give a folder: `out=NAME`")
    chosen_methods, plan = tuple(methods or goal.methods), SearchPlan(space, first, strengths, trials, margin)
    stages = Stages(lm, goal, run, plan, budget or Budget(), chosen_methods, seed, say, progress)
    return Outcome(stages.patch, stages.report, stages.choice)


@dataclass(frozen=True)
class SearchPlan:
    """What a search may try; see `reach`."""

    space: Mapping[str, Sequence[Any]]
    first: Sequence[Settings]
    strengths: Sequence[float]
    trials: int
    margin: float


@dataclass(eq=False)
class Stages:
    """The stages in their order; each asks for the one before it only where it is not kept already. See `reach`."""

    lm: LM
    goal: Goal
    run: Run
    plan: SearchPlan
    budget: Budget
    methods: Sequence[Method]
    seed: int
    say: Callable[[str], None]
    progress: Progress | None

    @cached_property
    def baseline(self) -> Baseline:
        """Measure: the base on what chooses settings."""
        return self._observe("measured", self.goal.tune, "measure")

    @cached_property
    def factory(self) -> CandidateFactory:
        """Fit and rank: a probe for each space, and every row's score by it."""
        return CandidateFactory(self.lm, self.goal, self.run, self.plan.space["space"], self.seed)

    @cached_property
    def found(self) -> Frontier:
        """Search: settings and strengths, and the other methods at few of either."""
        return self.run.stage("search", self._search, Frontier.save, Frontier.load, suffix=".json")

    @cached_property
    def fresh(self) -> Baseline:
        """Measure: the base on the cases that confirm a choice."""
        return self._observe("measured-fresh", self.goal.confirm, "measure afresh")

    @cached_property
    def confirmed(self) -> Frontier:
        """Confirm: the first point that keeps the budget on fresh cases."""
        return self.run.stage("confirmed", self._confirm, Frontier.save, Frontier.load, suffix=".json")

    @cached_property
    def choice(self) -> Frontier:
        """Refine: a strength between the confirmed one and the next, which was too much."""
        frontier = self.run.stage("refined", self._refine, Frontier.save, Frontier.load, suffix=".json")
        for name in ("measured", "measured-fresh"):  # the largest files, and of no use any more
            self.run.discard(name)
        if frontier.best is None:
            raise unmoved(frontier, self.target)
        return frontier

    @cached_property
    def patch(self) -> Patch:
        """Make: the patch of the choice."""
        best = self.choice.best
        assert best is not None
        self.say(f"chosen of {len(self.choice.points)} points: {best.label}, strength {best.strength:g}")
        begin(self._phase("make"))
        return self.run.stage(
            "patch", lambda: self.factory.patch(best.settings, best.strength), lambda p, path: p.save(path), Patch.load
        )

    @cached_property
    def region(self) -> Region | None:
        """Make: the rows of the choice; other methods than surgery have none."""
        best = self.choice.best
        assert best is not None
        if "method" in best.settings:
            return None
        return self.run.stage(
            "region", lambda: self.factory.region(best.settings), lambda r, path: r.save(path), Region.load
        )

    @cached_property
    def report(self) -> Report:
        """Report: before and after on prompts that no choice has seen, how the patch was found, and what it touches."""
        lm, goal, patch, region, best = self.lm, self.goal, self.patch, self.region, self.choice.best
        assert best is not None

        def figures() -> Report:
            return evaluate(lm, patch, goal.report, seed=self.seed, progress=self._phase("report"))

        report = self.run.stage("figures", figures, Report.write, Report.load, suffix=".json")
        directions = self._plain_stage(
            "directions", lambda: direction_similarity(lm, goal.related, goal.tasks), Directions
        )
        fires = None
        if region and countable(region):
            fires = self._plain_stage("activity", lambda: activity(lm, patch, region, goal.behaviour), Activity)
        return replace(
            report,
            target=goal.target,
            strength=best.strength,
            budget=self.budget,
            doses=self.choice.curve(best.settings),
            search=self.choice.shown(self.searched, goal.target, self.budget),
            where=Where.of(region) if region else None,
            directions=directions,
            activity=fires,
        )

    @property
    def target(self) -> Measure:
        """The measure that is to move."""
        return measure_named(self.goal.tune, self.goal.target)

    @property
    def searched(self) -> Suite:
        """What points are measured on."""
        return [m for m in self.goal.tune if m.name != self.goal.best_possible]

    @property
    def measured(self) -> Measured:
        """The base, and what figures are compared by."""
        return Measured.of(self.lm, self.searched, self.goal.target, self.budget, None, self.baseline)

    def _search(self) -> Frontier:
        plan, goal, measured, progress = self.plan, self.goal, self.measured, self._phase("search")
        self._check_present()
        begin(progress)  # probes and ranking come first
        frontier = Frontier(measured.base, [])
        if "surgery" in self.methods:
            self.say(self.factory.probe_summary(plan.first[0]["space"]))
            frontier = explore(
                self.lm,
                self.factory.patch,
                plan.space,
                plan.strengths,
                measured.suite,
                goal.target,
                first=plan.first,
                trials=plan.trials,
                budget=self.budget,
                stop_at=self._enough(),
                baseline=self.baseline,
                journal=self.run.path("search.jsonl"),
                seed=self.seed,
                progress=progress,
            )
        return self.factory.others.extended(frontier, self.methods, measured, self._enough(), self.say, progress)

    def _confirm(self) -> Frontier:
        frontier = self.found
        if frontier.best is None:
            return frontier
        count, within = len(frontier.points), len(frontier.order)
        self.say(f"{count} points tried, {within} within the budget; trying the best on fresh prompts")
        return confirm_choice(
            self.lm,
            frontier,
            self.factory.patch,
            self.goal.confirm,
            self.budget,
            margin=self.plan.margin,
            baseline=self.fresh,
            progress=self._phase("confirm"),
        )

    def _refine(self) -> Frontier:
        frontier = self.confirmed
        if frontier.best is None:
            return frontier
        return refine_choice(
            frontier,
            self.factory.patch,
            self.measured,
            self.goal.confirm,
            self.budget,
            margin=self.plan.margin,
            stop_at=self._enough(),
            baseline=self.fresh,
            progress=self._phase("refine"),
        )

    def _check_present(self) -> None:
        """Say how far the target could move at best; raises NoEffect when that is hardly anywhere."""
        now, best = self._share(self.goal.target), self._share(self.goal.best_possible)
        self.say(f"{self.target.about}: {now:.1%} of {len(self.target)} prompts; at best {best:.1%}")
        if abs(now - best) < PRESENT:
            raise absent(now, best, self.target.about, PRESENT)

    def _enough(self) -> float:
        """Return the share of the target at which a search may stop."""
        best = self._share(self.goal.best_possible)
        return best + ENOUGH * (self._share(self.goal.target) - best)

    def _share(self, of: str | float) -> float:
        """Return the base's figure of a measure; what is a figure already stays one."""
        return values(self.baseline, [measure_named(self.goal.tune, of)])[of] if isinstance(of, str) else of

    def _observe(self, name: str, suite: Suite, phase: str) -> Baseline:
        step = self._phase(phase)
        return self.run.stage(name, lambda: observe(self.lm, suite, step), observations.save, observations.load)

    def _phase(self, name: str) -> Progress | None:
        """Return the progress of a stage, which says which of all it is."""
        return within(self.progress, numbered(PHASES.index(name) + 1, len(PHASES), name))

    def _plain_stage(self, name: str, produce: Callable[[], T], kind: Callable[..., T]) -> T:
        """Return a stage's result that is a dataclass of plain values."""

        def save(outcome: Any, path: Path) -> None:  # noqa: ANN401 - any dataclass
            write_json(asdict(outcome), path)

        def load(path: Path) -> T:
            return kind(**read_json(path))

        return self.run.stage(name, produce, save, load, suffix=".json")
