"""Why a goal was not reached, and what to do then."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from ..errors import NoEffect, UsageError
from ..measure.suite import Measure
from ..search import Frontier


def absent(now: float, best: float, about: str, present: float) -> NoEffect:
    """Return the error for a behaviour that is not there.

    Args:
        now: share of the base.
        best: what could be reached.
        about: the share, for people.
        present: the smallest difference that can be seen.
    """
    return NoEffect(
        f"there is nothing to change: {now:.1%} {about}",
        why=f"The best to be had is {best:.1%}, and less than {present:.0%} more can not be seen to fall.",
        fix="Give prompts that show the behaviour: `prompts=FILE`",
    )


def unread(perplexity: float, vocabulary: int) -> UsageError:
    """Return the error for neutral texts that the model can not read.

    Args:
        perplexity: of the base on them.
        vocabulary: number of its tokens.
    """
    return UsageError(
        "the neutral texts say nothing about this model",
        why=f"Its perplexity on them is {perplexity:,.0f} of a vocabulary of {vocabulary:,}: it was not trained on such texts.",
        fix="Give texts that it knows, which shall stay as they are: `keep=FILE`",
    )


def unrefusing(harmful: tuple[int, int], harmless: tuple[int, int], taught: Sequence[str]) -> str:
    """Return what is said of a model that has no refusals of its own to strengthen.

    Args:
        harmful: requests that the base refuses, and how many were asked.
        harmless: the same.
        taught: methods that teach refusals.
    """
    beside = f" and {harmless[0]} of {harmless[1]} harmless ones" if harmless[1] else ""
    return (
        f"the model itself refuses {harmful[0]} of {harmful[1]} harmful requests{beside}: no refusals to strengthen; "
        f"they are taught by given answers ({', '.join(taught)})"
    )


def unmoved(frontier: Frontier, target: Measure) -> NoEffect:
    """Return the error for a search in which nothing kept the budget and moved the target."""
    why = f"{len(frontier.points)} points tried"
    if frontier.order:
        why += f", of which {len(frontier.order)} kept it; none did again on fresh prompts"
    near = min(
        frontier.refused or [p for p in frontier.points if not isnan(p.gain)],
        key=lambda p: (p.gain <= 0, p.excess, -p.gain),
        default=None,
    )
    if near is not None:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in near.values.items())
        why += f"; nearest: {near.label}, strength {near.strength:.3g}, over the budget by {near.excess:.0%}: {figures}"
    why += "."
    return NoEffect(
        f"no settings move {target.about} within the budget",
        why=why,
        fix="Allow more (`budget=Budget(kl=0.2, points=0.04)`), try more (`trials=30`), or give better texts (`goal.behaviour`).",
    )
