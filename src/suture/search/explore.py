"""Many candidates on few cases, the better ones on more, the best on all: successive halving.

Source: Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", algorithm 1.
Differs: rungs may measure different targets, a cheap one first; first choices of the caller are not dropped before the last rung;
strengths are found by bracketing, not among the settings. The work is a number of candidates and of cases, never a clock, so
that a search ends the same wherever it runs; a journal keeps each candidate's points, and one that was interrupted goes on there.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ResourceError, SutureError
from ..measure.budget import Budget
from ..measure.suite import Suite
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..text.heard import heard_by
from ..text.phase import begin, within
from .climb import SHARES, climb, named_limit
from .journal import Entry, Journal
from .points import Frontier, Measured, Point, Settings
from .state_shift import Span, measured_span

EQUAL = 0.05  # shift of the final states at which candidates are compared before their budget is known
LEAST = 1e-6  # share of the budget below which an edit is taken to cost nothing
Say = Callable[[str], None]


@dataclass(frozen=True)
class Rung:
    """How candidates are measured at one step of a search.

    Attributes:
        measured: the base on the cases of this rung, and the target.
        keep: candidates that go on from it.
        shares: of the strongest strength within the budget, where the target is measured; empty: all candidates are measured at
            one strength that moves the states alike, and ranked by the gain for what it costs.
    """

    measured: Measured
    keep: int
    shares: tuple[float, ...] = SHARES


def drawn(
    space: Mapping[str, Sequence[Any]], count: int, first: Sequence[Settings] = (), seed: int = 0
) -> list[Settings]:
    """Return so many different settings of a space: the first ones, then others at random.

    Args:
        space: the values each setting may take.
        count: of settings.
        first: those that come before any others, whether the space has them or not.
        seed: of the order of the others.
    """
    others = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    random.Random(seed).shuffle(others)
    return [*first, *(s for s in others if s not in first)][: max(count, 1)]


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


def explore(
    make: Callable[[Settings], Patch],
    candidates: Sequence[Settings],
    rungs: Sequence[Rung],
    texts: Sequence[str],
    *,
    first: int = 1,
    stop_at: float | None = None,
    journal: Path | None = None,
    say: Say = lambda text: None,
    progress: Progress | None = None,
) -> Frontier:
    """Search settings and strengths together.

    Args:
        make: returns the patch of some settings at strength 1.
        candidates: settings to try, see `drawn`.
        rungs: from few cases to all.
        texts: neutral ones, by which strengths of different candidates are made alike.
        first: so many of the candidates go on to the last rung but one whatever comes out, and are measured there first of all.
        stop_at: a figure of the target that is enough: the search ends with the first settings that reach it on all cases.
        journal: file in which the search is kept; one that exists is continued.
        say: told what each candidate reached.
        progress: called as measures advance.

    Returns:
        The points of the last rung and the choice among them; those of candidates that did not come so far stand beside them.
    """
    work = _Work(make, rungs, texts, Journal(journal), stop_at, say, progress)
    known = {str(s): s for s in candidates}
    seeds = list(known)[:first]
    last = len(rungs) - 1
    for name in seeds if last else ():  # the first figures come soon
        work.points(max(last - 1, 0), known[name])
    alive = list(known)
    for number, rung in enumerate(rungs[:-1]):
        if number < last - 1 and set(alive) <= set(seeds):
            continue  # all go on whatever comes out
        ranked = sorted(alive, key=lambda name: work.rank(number, known[name]), reverse=True)
        kept = ranked[: rung.keep]
        if number < last - 1:
            kept += [name for name in seeds if name not in kept]
        alive = kept
    points: list[Point] = []
    for name in alive:
        points += work.points(last, known[name])
        best = rungs[last].measured.frontier(points, stop_at).best
        if best and rungs[last].measured.enough(best, stop_at):
            break
    return rungs[last].measured.frontier(points, stop_at, work.earlier(last))


@dataclass(eq=False)
class _Work:
    """What is measured, each candidate once on each rung."""

    make: Callable[[Settings], Patch]
    rungs: Sequence[Rung]
    texts: Sequence[str]
    journal: Journal
    stop_at: float | None
    say: Say
    progress: Progress | None

    def points(self, number: int, settings: Settings) -> list[Point]:
        """Return the points of a candidate on a rung."""
        entry = self.journal.entry(number, settings)
        if entry is None:
            entry = self._measure(number, settings)
            self.journal.add(entry)
        return entry.points

    def rank(self, number: int, settings: Settings) -> tuple[float, float]:
        """Return by how much a candidate is to be preferred on a rung: by what it gains, then by what it gains for its cost."""
        points, rung = self.points(number, settings), self.rungs[number]
        if not rung.shares:
            return 0.0, max((self._worth(number, point) for point in points), default=-math.inf)
        within = [p for p in points if p.excess == 0 and not math.isnan(p.gain)]
        over = max((-1 - p.excess for p in points if p not in within), default=-math.inf)
        most = max((p.gain for p in within), default=over)
        return most, max((self._worth(number, p) for p in within if p.gain == most), default=-math.inf)

    def _worth(self, number: int, point: Point) -> float:
        """Return a gain for the root of its cost, as a gain grows with the strength, a divergence with its square.

        Where there is a divergence it is the cost: all predictions count in it; the perplexity of a few texts is also luck.
        """
        measured = self.rungs[number].measured
        divergences = [m for m in measured.to_keep if m.unit == "nats" and m.kind.cost == "reads"]
        cost = measured.budget.worst(divergences or measured.to_keep, measured.base, point.values)
        return -math.inf if math.isnan(point.gain) else point.gain / math.sqrt(max(cost, LEAST))

    def earlier(self, last: int) -> list[Point]:
        """Return the points of the rungs before the last, of those that measure its target."""
        target = self.rungs[last].measured.target
        return [
            p
            for e in self.journal.entries
            if e.rung < last and self.rungs[e.rung].measured.target == target
            for p in e.points
        ]

    def _measure(self, number: int, settings: Settings) -> Entry:
        rung, label = self.rungs[number], ", ".join(f"{k} {v}" for k, v in settings.items())
        step = within(
            self.progress, f"rung {number + 1} of {len(self.rungs)}, candidate {len(self.journal.entries) + 1}"
        )
        begin(step)
        if any(e.settings == settings and e.span is None for e in self.journal.entries):
            return Entry(number, settings, [], None)  # it was said why
        try:
            with heard_by(within(step, "make")):
                patch = self.make(settings)
            span = self.journal.span(settings) or measured_span(rung.measured.lm, patch, self.texts)
        except ResourceError:  # no fault of the candidate
            raise
        except SutureError as problem:
            self.say(f"{label}: left out, {problem.what}")
            return Entry(number, settings, [], None)
        measured = rung.measured
        if not rung.shares:
            return Entry(number, settings, measured.points(settings, patch, [span.at(EQUAL)], step), span)
        started = self._begin(settings, span)
        points = climb(
            measured, settings, patch, span, begin=started, stop_at=self.stop_at, shares=rung.shares, progress=step
        )
        best = measured.frontier(points, self.stop_at).best
        text = "nothing within the budget"
        if best:
            text = f"{best.values[measured.target]:.1%} at strength {best.strength:.3g}"
        elif any(p.excess == 0 for p in points):
            text = "no gain within the budget"
        limit = named_limit(points, span)
        self.say(f"{label}: {text}, {len(measured.aim)} cases" + (f" (no stronger one: {limit})" if limit else ""))
        return Entry(number, settings, points, span)

    def _begin(self, settings: Settings, span: Span) -> float:
        """Return where to begin: below the budget's end as the rungs before know it, or foretell it."""
        before = [e for e in self.journal.entries if e.settings == settings and e.points]
        if not before:
            return span.start
        entry = max(before, key=lambda e: e.rung)
        inside = [p.strength for p in entry.points if p.excess == 0]
        if self.rungs[entry.rung].shares:
            return max(inside, default=entry.points[0].strength) / 2**0.5
        measured, point = self.rungs[entry.rung].measured, entry.points[0]
        cost = max(measured.budget.worst(measured.to_keep, measured.base, point.values), LEAST)
        return point.strength / math.sqrt(cost) / 2 if math.isfinite(cost) else span.start
