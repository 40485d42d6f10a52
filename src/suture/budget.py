"""What an edit may cost: the budget that a search keeps and that a report shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .suite import Suite

POINTS = 0.02  # most that a share to keep may lose
PERPLEXITY = 0.05  # most that perplexity may rise, relative
ROUNDING = 1e-9  # one fact in fifty is two points, whatever 1 - 49 / 50 is in binary


@dataclass(frozen=True)
class Budget:
    """What an edit may cost.

    Attributes:
        points: most that a share to keep may lose (0.02 is two points).
        perplexity: most that perplexity may rise, relative.
    """

    points: float = POINTS
    perplexity: float = PERPLEXITY

    def used(self, before: float, after: float, better: str, *, relative: bool = False) -> float:
        """Return the share of the budget that one property uses: 1 is all of it, below 0 the property gained.

        A figure that is no number (the perplexity of a destroyed model) uses infinitely much.

        Args:
            before: figure of the base.
            after: figure of the edited model.
            better: "higher" or "lower".
            relative: the figure is a perplexity, not a share.
        """
        if relative:
            share = (after / before - 1) / self.perplexity
        else:
            share = ((before - after) if better == "higher" else (after - before)) / self.points
        return math.inf if math.isnan(share) else share

    def worst(self, suite: Suite, base: Mapping[str, float], now: Mapping[str, float]) -> float:
        """Return the largest share used over all measures to keep; 0 when none lost anything."""
        kept = [m for m in suite if m.role == "keep"]
        used = [
            self.used(base[m.name], now[m.name], m.better, relative=m.metric == "perplexity") for m in kept
        ]  # perplexity alone is compared as a ratio
        return max([0.0, *used])

    def excess(self, suite: Suite, base: Mapping[str, float], now: Mapping[str, float]) -> float:
        """Return the largest overstepping over all measures to keep, in units of the budget; 0 when it is kept."""
        over = self.worst(suite, base, now) - 1
        return over if over > ROUNDING else 0.0
