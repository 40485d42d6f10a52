"""Choose again on fresh cases: the best of many points was also lucky."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..measure.budget import Budget
from ..measure.evaluation import Baseline, observe, values
from ..measure.suite import Suite
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..renamed import with_old_names
from .bracket import RESOLUTION
from .noise import excess, noise_of
from .points import Frontier, Measured, Settings
from .strength_sweep import strength_sweep

TRIES = 4  # settings that are tried on fresh cases
SOFTER = 3  # times that a strength is halved where none was confirmed
PARTS = 4  # of the step between the chosen strength and the next, which was too much


def confirm_choice(
    lm: LM,
    frontier: Frontier,
    make: Callable[[Settings], Patch],
    suite: Suite,
    budget: Budget,
    *,
    margin: float = 1.0,
    tries: int = TRIES,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Choose again: the first point, in the order of choice, that keeps the budget on cases the search has not seen.

    Args:
        lm: the base model.
        frontier: what a search found.
        make: as of `explore`.
        suite: what to keep, on fresh cases.
        budget: what the edit may cost on them.
        margin: share of the budget's points that may be lost, but always as much as the base differs from itself
            (`noise_of`): less can not be told from so many cases.
        tries: settings tried at most.
        baseline: observations of the base on the suite, if already made.
        progress: called as measures advance.

    Returns:
        The same search with the point chosen; None where no tried one keeps the budget. Those that do not are in `refused`.
    """
    baseline = baseline or observe(lm, suite, progress)
    base, noise = values(baseline, suite), noise_of(baseline, suite)
    tried, refused = set[str](), list(frontier.refused)
    for point in frontier.order:
        if len(tried | {point.label}) > tries:
            continue
        tried.add(point.label)
        patch = make(point.settings)
        (now,) = strength_sweep(lm, patch, [point.strength], suite, baseline=baseline, progress=progress)
        over = excess(budget, suite, base, now, noise, margin)
        if over == 0:
            return replace(frontier, best=point, refused=refused)
        refused.append(replace(point, values=now, excess=over))
    return replace(frontier, best=None, refused=refused)


def soften_choice(
    frontier: Frontier,
    make: Callable[[Settings], Patch],
    measured: Measured,
    suite: Suite,
    budget: Budget,
    *,
    margin: float = 1.0,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Where no point was confirmed, try the first settings at gentler strengths: fresh cases may be about what no search asked.

    Args:
        frontier: a search after `confirm_choice`; one that has a choice is left as it is.
        make: as of `explore`.
        measured: what the search measured on, and its budget.
        suite: as of `confirm_choice`, as for the others.
        budget: see there.
        margin: see there.
        baseline: see there.
        progress: see there.

    Returns:
        The search with the gentler points, of which the strongest that keeps both budgets and gains is chosen.
    """
    if frontier.best is not None or not frontier.order:
        return frontier
    settings = frontier.order[0].settings
    strength = min(point.strength for point in frontier.order if point.settings == settings)
    for _ in range(SOFTER):
        strength /= 2
        more = measured.points(settings, make(settings), [strength], progress)
        frontier = replace(frontier, points=[*frontier.points, *more])
        gains = [point for point in more if point.excess == 0 and point.gain > 0]
        if not gains:  # gentler still does less
            break
        tried = confirm_choice(
            measured.lm, replace(frontier, order=gains), make, suite, budget,
            margin=margin, baseline=baseline, progress=progress,
        )  # fmt: skip
        frontier = replace(tried, order=[*frontier.order, *gains])
        if frontier.best is not None:
            break
    return frontier


def refine_choice(
    frontier: Frontier,
    make: Callable[[Settings], Patch],
    measured: Measured,
    suite: Suite,
    budget: Budget,
    *,
    margin: float = 1.0,
    stop_at: float | None = None,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Look for a stronger choice between the chosen strength and the next of the same settings, which was too much.

    Args:
        frontier: a search whose choice is confirmed.
        make: as of `explore`.
        measured: what the search measured on, and its budget.
        suite: what to keep, on fresh cases.
        budget: what the edit may cost on them.
        margin: as of `confirm_choice`.
        stop_at: figure of the target that is enough; a choice that reaches it is left as it is.
        baseline: observations of the base on the fresh cases, if already made.
        progress: called as measures advance.

    Returns:
        The search with the points between, and the one of them chosen that moves the target most within both budgets.
    """
    best = frontier.best
    if best is None or measured.enough(best, stop_at):
        return frontier
    stronger = [p for p in frontier.points if p.settings == best.settings and p.strength > best.strength]
    following = min(stronger, key=lambda p: p.strength, default=None)
    failed = frontier.order[: frontier.order.index(best)]  # what was preferred to it, and cost too much on fresh cases
    if following is None or not (following.excess > 0 or following in failed):
        return frontier  # stronger ones cost no more than they may, and do no more
    if following.strength <= RESOLUTION * best.strength * (1 + 1e-9):
        return frontier  # as near as strengths are told apart
    step = (following.strength - best.strength) / PARTS
    between = [best.strength + step * part for part in range(1, PARTS)]
    more = measured.points(best.settings, make(best.settings), between, progress)
    better = sorted((p for p in more if p.excess == 0 and p.gain > best.gain), key=lambda p: -p.gain)
    confirmed = confirm_choice(
        measured.lm,
        replace(frontier, order=better),
        make,
        suite,
        budget,
        margin=margin,
        baseline=baseline,
        progress=progress,
    )
    return replace(
        frontier, points=[*frontier.points, *more], order=[*better, *frontier.order], best=confirmed.best or best
    )


__getattr__ = with_old_names(__name__)
