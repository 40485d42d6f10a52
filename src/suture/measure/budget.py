"""What an edit may cost: the budget that a search keeps and that a report shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ..metrics._score import Unit
from .limits import parse_limits
from .suite import Suite

POINTS = 0.02  # most that a share to keep may lose
PERPLEXITY = 0.05  # most that perplexity may rise, relative
KL = 0.1  # most that the distribution may move on neutral text, nats per token
ROUNDING = 1e-9  # one fact in fifty is two points, whatever 1 - 49 / 50 is in binary


@dataclass(frozen=True)
class Budget:
    """What an edit may cost.

    Attributes:
        points: most that a share to keep may lose (0.02 is two points).
        perplexity: most that perplexity may rise, relative.
        kl: most that the distribution may move, nats per token.
    """

    points: float = POINTS
    perplexity: float = PERPLEXITY
    kl: float = KL

    @classmethod
    def parse(cls, text: str, **defaults: float) -> Budget:
        """Read a budget as the command line has it: "kl=0.05,points=0.01". What it does not name is as in `defaults`.

        Raises:
            UsageError: for an unknown name or a number that is none.
        """
        return parse_limits(partial(cls, **defaults), text, "budget", "kl=0.05,points=0.02,perplexity=0.05")

    def __mul__(self, share: float) -> Budget:
        """Return a share of the budget."""
        return Budget(self.points * share, self.perplexity * share, self.kl * share)

    def used(self, before: float, after: float, better: str, unit: Unit = "share") -> float:
        """Return the share of the budget that one property uses: 1 is all of it, below 0 the property gained.

        A figure that is no number (the perplexity of a destroyed model) uses infinitely much.

        Args:
            before: figure of the base.
            after: figure of the edited model.
            better: "higher" or "lower".
            unit: of the figure: perplexities are compared as a ratio, divergences are a change already.
        """
        if unit == "perplexity":
            share = (after / before - 1) / self.perplexity
        elif unit == "nats":
            share = after / self.kl
        else:
            share = ((before - after) if better == "higher" else (after - before)) / self.points
        return math.inf if math.isnan(share) else share

    def worst(self, suite: Suite, base: Mapping[str, float], now: Mapping[str, float]) -> float:
        """Return the largest share used over all measures to keep that were made; 0 when none lost anything."""
        measures = [m for m in suite if m.role == "keep" and m.name in now]
        return max([0.0, *(self.used(base[m.name], now[m.name], m.better, m.unit) for m in measures)])

    def excess(self, suite: Suite, base: Mapping[str, float], now: Mapping[str, float]) -> float:
        """Return the largest overstepping over all measures to keep, in units of the budget; 0 when it is kept."""
        over = self.worst(suite, base, now) - 1
        return over if over > ROUNDING else 0.0
