"""Why a goal was not reached, and what to do then."""

from __future__ import annotations

from math import isnan

from ..errors import NoEffect
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


def unmoved(frontier: Frontier, target: Measure) -> NoEffect:
    """Return the error for a search in which nothing kept the budget and moved the target."""
    why = f"{len(frontier.points)} points tried"
    if frontier.order:
        why += f", of which {len(frontier.order)} kept it; none did again on fresh prompts."
    elif measured := [p for p in frontier.points if not isnan(p.gain)]:
        near = min(measured, key=lambda p: (p.excess, -p.gain))
        why += f"; nearest: {near.label}, strength {near.strength:g}, {near.values[target.name]:.1%}."
    return NoEffect(
        f"no settings move {target.about} within the budget",
        why=why,
        fix="Allow more (`budget=Budget(kl=0.2, points=0.04)`), try more (`trials=30`), or give better texts (`goal.behaviour`).",
    )
