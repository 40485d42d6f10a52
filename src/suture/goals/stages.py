"""The stages of a goal, in their order; each asks for the one before it only where it is not kept already.

What a stage made lies in the run's folder when it ends: a run that was interrupted goes on from there, asks the model nothing
again, and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..io.json_files import read_json, write_json
from ..locate.activity import Activity, activity, countable
from ..locate.direction_similarity import Directions, direction_similarity
from ..locate.probe import Probe
from ..locate.region import Region
from ..measure import observations
from ..measure.budget import Budget
from ..measure.evaluation import Baseline, evaluate, observe, values
from ..measure.health import by_block
from ..measure.report import Report, Where
from ..measure.suite import Measure, Suite, measure_named
from ..metrics._score import Progress
from ..model.lm import LM
from ..model.run.language import foreign
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Frontier, Measured, Settings, confirm_choice, drawn, explore, refine_choice, soften_choice
from ..text.phase import begin, numbered, within
from .candidates import candidates, usable
from .factory import CandidateFactory
from .measures import MARGIN as MARGIN_NAME
from .measures import SHORT, Refusals
from .messages import absent, unmoved, unread
from .own_answers import own_answers
from .rungs import LAST, rungs
from .schema import Goal, Method
from .screening import Screening, screened

PHASES = ("screen", "measure", "search", "measure afresh", "confirm", "refine", "make", "report")
ENOUGH = 0.05  # of the way from the base to the best that may be left; on prompts not seen yet it is somewhat more
PRESENT = 0.03  # a behaviour shown by a smaller share of continuations can not be seen to fall
T = TypeVar("T")


@dataclass(frozen=True)
class SearchPlan:
    """What a search may try; see `reach`."""

    space: Mapping[str, Sequence[Any]]
    first: Sequence[Settings]
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
    def shown(self) -> Screening | None:
        """Screen: prompts of a pool on which the base shows the behaviour."""
        screen = self.goal.screen
        if screen is None:
            return None

        def choose() -> dict[str, Any]:
            return asdict(screened(self.lm, screen, len(self._target(self.goal.tune)), self._phase("screen")))

        screening = Screening(**self.run.stage("screened", choose, write_json, read_json, suffix=".json"))
        text = f"{screen.about}: {screening.share:.1%} of {screening.of} prompts, {screening.showing} that can move"
        self.say(f"{text}; settings are chosen on {len(screening.prompts)}")
        return screening

    @cached_property
    def tune(self) -> Suite:
        """What chooses settings, on the prompts that were screened, with the base's own answers to what is harmless."""
        harmless = own_answers(self.lm, self.goal.answered, self.run)
        if self.shown is None:
            return [*self.goal.tune, *harmless]
        prompts, target = self.shown.prompts, self._target(self.goal.tune)
        samples = target.cases.samples * max(1, len(target) // len(prompts))  # as many texts of fewer prompts
        target = replace(target, cases=replace(target.cases, prompts=prompts, samples=samples))
        return [*(target if m.name == self.goal.target else m for m in self.goal.tune), *harmless]

    @cached_property
    def baseline(self) -> Baseline:
        """Measure: the base on what chooses settings."""
        self._check_present()
        return self._observe("measured", self.tune, "measure")

    @cached_property
    def factory(self) -> CandidateFactory:
        """Fit and rank: a probe for each space, and every row's score by it."""
        spaces = list(dict.fromkeys([*(s["space"] for s in self.plan.first), *self.plan.space["space"]]))
        return CandidateFactory(self.lm, self.goal, self.run, spaces, self.seed, self._phase("search"))

    @cached_property
    def found(self) -> Frontier:
        """Search: settings and strengths of all methods, on one frontier."""
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
        self.say(f"chosen of {len(self.choice.points)} points: {best.label}, strength {best.strength:.4g}")
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
        space = best.settings["space"]
        self.run.stage(f"probe-{space}", lambda: self.factory.probe(space), lambda p, path: p.save(path), Probe.load)
        return self.run.stage(
            "region", lambda: self.factory.region(best.settings), lambda r, path: r.save(path), Region.load
        )

    @cached_property
    def report(self) -> Report:
        """Report: before and after on prompts that no choice has seen, how the patch was found, and what it touches."""
        lm, goal, patch, region, best = self.lm, self.goal, self.patch, self.region, self.choice.best
        assert best is not None

        def figures() -> Report:
            # long answers to requests are dear, and say little of a random patch; notes say the same of the same texts again
            brief = [m for m in goal.report if m.role != "note" and getattr(m.cases, "max_new_tokens", 0) <= SHORT]
            control = [*([] if self.target.name in {m.name for m in brief} else [self._target(goal.report)]), *brief]
            step = self._phase("report")
            return evaluate(lm, patch, goal.report, control_suite=control, seed=self.seed, progress=step)

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
            extra={**report.extra, "tried": self.choice.tried(goal.target)},
            where=Where.of(region) if region else None,
            moved={} if region else by_block(lm, patch),
            directions=directions,
            activity=fires,
        )

    @property
    def target(self) -> Measure:
        """The measure that is to move."""
        return self._target(self.tune)

    @property
    def searched(self) -> Suite:
        """What points are measured on."""
        return [m for m in self.tune if m.role != "floor" and m.name not in (self.goal.best_possible, MARGIN_NAME)]

    @cached_property
    def measured(self) -> Measured:
        """The base, and what figures are compared by."""
        return Measured.of(self.lm, self.searched, self.goal.target, self.budget, None, self.baseline)

    def _search(self) -> Frontier:
        plan, measured, progress = self.plan, self.measured, self._phase("search")
        self._check_room()
        self._check_neutral()
        begin(progress)  # probes and ranking come first
        methods, pool = usable(self.methods, self.goal.pool, lambda: Refusals.of(self.baseline, self.tune), self.say)
        others = candidates(methods, pool)
        cut = drawn(plan.space, plan.trials, plan.first, self.seed) if "surgery" in methods else []
        if cut:
            self.say(self.factory.probe_summary(plan.first[0]["space"]))
        return explore(
            self.factory.patch,
            [*cut[:1], *others, *cut[1:]],  # of all patches the first of surgery is made soonest
            rungs(measured, self.tune, self.baseline, len(others) + len(cut)),
            self.goal.keep,
            first=len(others) + min(LAST, len(plan.first), len(cut)),
            stop_at=self._enough(),
            journal=self.run.path("candidates.jsonl"),
            say=self.say,
            progress=progress,
        )

    def _confirm(self) -> Frontier:
        frontier = self.found
        if frontier.best is None:
            return frontier
        count, within = len(frontier.points), len(frontier.order)
        self.say(f"{count} points tried, {within} within the budget; trying the best on fresh prompts")
        make, suite, step = self.factory.patch, self.goal.confirm, self._phase("confirm")
        how: dict[str, Any] = {"margin": self.plan.margin, "baseline": self.fresh, "progress": step}
        confirmed = confirm_choice(self.lm, frontier, make, suite, self.budget, **how)
        if confirmed.best is None:
            self.say("none keeps the budget on fresh prompts; trying gentler strengths of the best")
        return soften_choice(confirmed, make, self.measured, suite, self.budget, **how)

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
        """Raise NoEffect when few of the pool's prompts show the behaviour; of a goal without a pool see `_check_room`."""
        best = self.goal.best_possible
        if self.shown is not None and isinstance(best, float):
            if abs(self.shown.share - best) < PRESENT:
                raise absent(self.shown.share, best, self.target.about, PRESENT)

    def _check_room(self) -> None:
        """Say how far the target could move at best; raises NoEffect when that is hardly anywhere."""
        now, best = self._share(self.goal.target), self._share(self.goal.best_possible)
        self.say(f"{self.target.about}: {now:.1%} of {len(self.target)} prompts; at best {best:.1%}")
        if abs(now - best) < PRESENT:
            raise absent(now, best, self.target.about, PRESENT)

    def _check_neutral(self) -> None:
        """Raise UsageError when the neutral texts are in no language of the model: what is kept there says nothing."""
        figure = self.measured.base.get("perplexity")
        if figure is not None and foreign(self.lm, figure):
            raise unread(figure, int(self.lm.model.config.vocab_size))

    def _enough(self) -> float:
        """Return the share of the target at which a search may stop."""
        best = self._share(self.goal.best_possible)
        return best + ENOUGH * (self._share(self.goal.target) - best)

    def _share(self, of: str | float) -> float:
        """Return the base's figure of a measure; what is a figure already stays one."""
        return values(self.baseline, [measure_named(self.tune, of)])[of] if isinstance(of, str) else of

    def _target(self, suite: Suite) -> Measure:
        return measure_named(suite, self.goal.target)

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
