"""From a goal to a verified patch: probe, rank rows, search settings and strength within a budget, measure on new prompts.

Every stage writes a file; a run that was interrupted goes on from them and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from types import MappingProxyType
from typing import Any, Literal

from ..errors import NoEffect, UsageError
from ..locate.activity import activity, countable
from ..locate.effect_rows import effect_scores
from ..locate.likeness import likeness
from ..locate.probe import Probe, Space, fit_probe, quietened
from ..locate.probe_rows import cosine_scores
from ..locate.region import Region
from ..measure.budget import Budget
from ..measure.evaluation import evaluate, observe
from ..measure.report import Report, Where
from ..measure.suite import Measure
from ..methods.surgery import surgery
from ..metrics._score import Progress
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Frontier, Measured, Settings, confirmed, explore, refined
from .candidates import METHODS, Method, MethodCandidates
from .schema import Goal

SPACE: dict[str, list[Any]] = {
    "space": ["mlp.in", "residual"],
    "select": ["effect", "cosine"],
    "rows": [0.0125, 0.025, 0.05, 0.1],
    "blocks": ["all", "first half", "middle half", "last half"],
}
FIRST = tuple({"space": "mlp.in", "select": "effect", "rows": rows, "blocks": "all"} for rows in (0.05, 0.1))
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)  # mean row norms
ENOUGH = 0.1  # of the way from the base to the floor that may be left
MARGIN = 1 / 3  # of the points that shares may lose, on the prompts that confirm a choice; but one case is luck
PRESENT = 0.03  # a behaviour shown by a smaller share of continuations can not be seen to fall


@dataclass(eq=False)
class CandidateFactory:
    """Makes the patches that a search asks for; probes and rankings are made once for each space.

    Attributes:
        lm: the model.
        goal: what to reach.
        run: keeps the probes, for a run that is continued.
        seed: of every choice.
        spaces: that will be asked for.
    """

    lm: LM
    goal: Goal
    run: Run
    seed: int = 0
    spaces: Sequence[Space] = ()

    @cached_property
    def _made(self) -> dict[str, tuple[Probe, dict[str, dict[Site, Any]]]]:
        return {}

    @property
    def rivals(self) -> MethodCandidates:
        """Makes the patches of other methods."""
        return MethodCandidates(self.lm, self.goal, self.run, self.seed)

    @property
    def away(self) -> Literal["unwanted", "wanted"]:
        """The class that the edit leaves."""
        return "unwanted" if self.goal.toward == "wanted" else "wanted"

    def ranked(self, space: Space) -> tuple[Probe, dict[str, dict[Site, Any]]]:
        """Return the probe of a space, turned away from what to keep, and every row's score by each locator.

        What is asked of all spaces is made for all of them at once.
        """
        if space not in self._made:
            goal, lm, spaces = self.goal, self.lm, list(dict.fromkeys([*self.spaces, space]))
            probes = [self._probe(each) for each in spaces]
            effects = effect_scores(lm, probes, goal.behaviour, keep=goal.keep, away_from=self.away, seed=self.seed)
            for each, probe, effect in zip(spaces, probes, effects, strict=True):
                scores = {"effect": effect, "cosine": cosine_scores(lm, probe, away_from=self.away)}
                self._made[each] = probe, scores
        return self._made[space]

    def told(self, space: Space) -> str:
        """Return how well the probe of a space does, as a line to show."""
        probe, scores = self.ranked(space)
        best, rows = probe.scores[probe.best], sum(map(len, scores["effect"].values()))
        return f"probe: {best.accuracy:.1%} of {best.held_out} held-out texts; {rows:,} rows ranked"

    def region(self, settings: Settings) -> Region:
        """Return the rows that some settings choose."""
        probe, scores = self.ranked(settings["space"])
        layers = blocks(self.lm.anatomy.layers, settings["blocks"])
        own = {site: score for site, score in scores[settings["select"]].items() if site.layer in layers}
        about = {"by": settings["select"], "probe": probe.name, "space": probe.space, "away_from": self.away}
        share = settings["rows"] * self.lm.anatomy.layers / len(layers)  # of all rows, whichever blocks are searched
        return Region.choose(own, min(share, 0.999), about, largest=settings["select"] == "effect")

    def patch(self, settings: Settings, strength: float = 1.0) -> Patch:
        """Return the patch of some settings, by surgery unless they name another method."""
        if "method" in settings:
            return self.rivals.patch(settings) * strength
        probe, _ = self.ranked(settings["space"])
        return surgery(
            self.lm, self.goal.behaviour, probe=probe, region=self.region(settings), strength=strength, seed=self.seed,
            toward=self.goal.toward,
        )  # fmt: skip

    def _probe(self, space: Space) -> Probe:
        """Return the quiet probe of a space, from the run's folder if it is there."""
        goal = self.goal

        def fitted() -> Probe:
            found = fit_probe(self.lm, goal.behaviour, space=space, pool=goal.pool, seed=self.seed)
            return quietened(self.lm, found, goal.keep, goal.behaviour, away_from=self.away)

        return self.run.stage(f"probe-{space}", fitted, lambda p, path: p.save(path), Probe.load)


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
        methods: tried: all that fit the goal by default, which are surgery alone unless it is "harden".
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
    budget = budget or Budget()
    base = Measured.of(lm, goal.tune, goal.target, budget, progress)
    floor = _floor(goal, base, say)
    shop = CandidateFactory(lm, goal, run, seed, tuple(space["space"]))
    tried = methods or (METHODS if goal.name == "harden" else METHODS[:1])
    measures = [m for m in goal.tune if m.name != goal.floor]
    measured = Measured.of(lm, measures, goal.target, budget, progress, base.baseline)
    enough = floor + ENOUGH * (base.base[goal.target] - floor)
    found = Frontier(base.base, [])
    if "surgery" in tried:
        say(shop.told(first[0]["space"]))
        found = explore(
            lm, shop.patch, space, strengths, measured.suite, goal.target, first=first,
            trials=trials, budget=budget, stop_at=enough, baseline=base.baseline,
            journal=run.path("search.jsonl"), seed=seed, progress=progress,
        )  # fmt: skip
    found = shop.rivals.joined(found, tried, measured, enough, say, progress)
    if found.best is not None:
        say(f"{len(found.points)} points tried, {len(found.order)} within the budget; trying the best on fresh prompts")
        fresh = observe(lm, goal.confirm, progress)
        found = confirmed(lm, found, shop.patch, goal.confirm, budget, margin=margin, baseline=fresh, progress=progress)
        found = refined(
            found, shop.patch, measured, goal.confirm, budget,
            margin=margin, stop_at=enough, baseline=fresh, progress=progress,
        )  # fmt: skip
    if found.best is None:
        raise _unmoved(found, next(m for m in goal.tune if m.name == goal.target))
    chosen = found.best
    say(f"chosen of {len(found.points)} points: {chosen.label}, strength {chosen.strength:g}")
    patch = run.stage(
        "patch", lambda: shop.patch(chosen.settings, chosen.strength), lambda p, path: p.save(path), Patch.load
    )
    region = None
    if "method" not in chosen.settings:
        region = run.stage("region", lambda: shop.region(chosen.settings), lambda r, path: r.save(path), Region.load)
    report = evaluate(lm, patch, goal.report, seed=seed, progress=progress)
    return Outcome(patch, _told(report, lm, goal, found, measured, patch, region), found)


def _floor(goal: Goal, base: Measured, say: Callable[[str], None]) -> float:
    """Return how far the target could move at best; raises NoEffect when that is hardly anywhere."""
    target = next(m for m in goal.tune if m.name == goal.target)
    now = base.base[goal.target]
    floor = base.base[goal.floor] if isinstance(goal.floor, str) else goal.floor
    say(f"{target.about}: {now:.1%} of {len(target.cases.prompts)} prompts; at best {floor:.1%}")
    if abs(now - floor) < PRESENT:
        raise _absent(now, floor, target.about)
    return floor


def _told(
    report: Report, lm: LM, goal: Goal, found: Frontier, measured: Measured, patch: Patch, region: Region | None
) -> Report:
    """Return a report that also tells how its patch was found and what it touches."""
    assert found.best is not None
    return replace(
        report,
        target=goal.target,
        strength=found.best.strength,
        budget=measured.budget,
        doses=found.curve(found.best.settings),
        search=found.shown(measured.suite, goal.target, measured.budget),
        where=Where.of(region) if region else None,
        directions=likeness(lm, goal.related, goal.tasks),
        activity=activity(lm, patch, region, goal.behaviour) if region and countable(region) else None,
    )


def _absent(now: float, floor: float, about: str) -> NoEffect:
    return NoEffect(
        f"there is nothing to change: {now:.1%} {about}",
        why=f"The best to be had is {floor:.1%}, and less than {PRESENT:.0%} more can not be seen to fall.",
        fix="Give prompts that show the behaviour: `prompts=FILE`",
    )


def _unmoved(found: Frontier, target: Measure) -> NoEffect:
    why = f"{len(found.points)} points tried"
    if found.order:
        why += f", of which {len(found.order)} kept it; none did again on fresh prompts."
    elif measured := [p for p in found.points if not isnan(p.gain)]:
        near = min(measured, key=lambda p: (p.excess, -p.gain))
        why += f"; nearest: {near.label}, strength {near.strength:g}, {near.values[target.name]:.1%}."
    return NoEffect(
        f"no settings move {target.about} within the budget",
        why=why,
        fix="Allow more (`budget=Budget(kl=0.2, points=0.04)`), try more (`trials=30`), or give better texts (`goal.behaviour`).",
    )


def blocks(layers: int, which: str) -> range:
    """Return the block numbers that "all", "first half", "middle half" or "last half" mean; at least one."""
    half = max(1, layers // 2)
    begin = {"all": 0, "first half": 0, "middle half": (layers - half) // 2, "last half": layers - half}[which]
    return range(begin, layers if which == "all" else begin + half)
