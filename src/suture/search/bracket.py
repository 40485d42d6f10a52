"""Find the strongest strength that is still within a budget, over any number of decades, several strengths at a time.

Doubling from a gentle start until one is over; then bisection, on a logarithmic scale, between the last that is within and the
first that is over. A start that is over already is halved until one is within. Nothing here knows what is measured.

    evaluations <= SIDE_BY_SIDE * (1 + ceil(|log2(cliff / start)| / SIDE_BY_SIDE) + bisections)
    bisections = ceil(log(log 2 / log resolution) / log(1 + SIDE_BY_SIDE))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError

Verdict = Literal["within", "enough", "over"]
Verdicts = Callable[[Sequence[float]], Sequence[Verdict]]
SIDE_BY_SIDE = 3  # strengths measured in the same batches
RESOLUTION = 1.2  # the first strength that is over is at most so many times the last that is within
DEEPEST = 30  # halvings of a start that is over, after which there is nothing to be had


@dataclass(frozen=True)
class Bracket:
    """Where the budget breaks.

    Attributes:
        low: the strongest strength known to be within, below any that is over; None when every one tried was over.
        high: the weakest above it that is over; None when none was.
        ended: "over": between `low` and `high`; "enough": `low` does what is wanted; "limit": no stronger one is allowed.
        evaluations: strengths that were measured.
    """

    low: float | None
    high: float | None
    ended: Literal["over", "enough", "limit"]
    evaluations: int


def find_bracket(
    levels: Verdicts,
    start: float,
    *,
    limit: float = math.inf,
    resolution: float = RESOLUTION,
    side_by_side: int = SIDE_BY_SIDE,
) -> Bracket:
    """Bracket the strength at which a budget breaks.

    Args:
        levels: measures strengths together and says of each whether it is within the budget, does enough within it, or is over.
        start: the strength to begin with, above 0.
        limit: no stronger one is tried.
        resolution: how close the two ends of the bracket must come, as a ratio above 1.
        side_by_side: strengths measured together.

    Raises:
        UsageError: for a start that is not above 0 and at most the limit, or a resolution that is not above 1.
    """
    if not 0 < start <= limit or not resolution > 1:
        raise UsageError(
            f"can not look for a strength from {start:g} to {limit:g} within a factor of {resolution:g}",
            fix="Start above 0 and at or below the limit; the factor is above 1.",
        )
    state = _State(levels)
    strength, last = start, 0.0
    while state.high is None and not state.enough and last < limit:
        doubled = [min(strength * 2**step, limit) for step in range(side_by_side)]
        strengths = list(dict.fromkeys(doubled))  # the limit once
        state.add(strengths)
        strength, last = 2 * doubled[-1], doubled[-1]
    weakest = start
    for _ in range(-(-DEEPEST // side_by_side)):
        if state.low is not None:
            break
        state.add([weakest / 2**step for step in range(side_by_side, 0, -1)])
        weakest /= 2**side_by_side
    while state.low is not None and state.high is not None and state.high > resolution * state.low * (1 + 1e-12):
        ratio = (state.high / state.low) ** (1 / (side_by_side + 1))
        state.add([state.low * ratio**step for step in range(1, side_by_side + 1)])
    return Bracket(state.low, state.high, state.ended, state.evaluations)


class _State:
    """What is known while strengths are measured: `low` only rises below `high`, which only falls."""

    def __init__(self, levels: Verdicts) -> None:
        self.levels, self.evaluations, self.enough = levels, 0, False
        self.low: float | None = None
        self.high: float | None = None

    def add(self, strengths: Sequence[float]) -> None:
        """Measure rising strengths; what lies above the first that is over, or that does enough, says no more."""
        self.evaluations += len(strengths)
        for strength, level in zip(strengths, self.levels(strengths), strict=True):
            if level == "over":
                self.high = strength
                return
            self.low = strength
            if level == "enough":
                self.enough, self.high = True, None
                return

    @property
    def ended(self) -> Literal["over", "enough", "limit"]:
        """Why no further strength is tried."""
        return "enough" if self.enough else "limit" if self.high is None else "over"
