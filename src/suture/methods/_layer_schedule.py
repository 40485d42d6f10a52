"""A strength for each block in four numbers: highest at a peak, falling in a straight line, zero beyond a reach.

Source: the weight kernel of "heretic" (Weidmann 2025), as its documentation describes it.
    w(l) = most + (|l - peak| / reach) * (least - most)   for |l - peak| <= reach, else 0        l: block, 0 .. layers - 1
`peak` and `reach` are shares of the depth (layers - 1), so that a kernel means the same in models of any depth.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerSchedule:
    """See the module's docstring.

    Attributes:
        most: strength at the peak.
        peak: where it is, from 0 (first block) to 1 (last).
        reach: how far from the peak anything is done, as a share of the depth; 1 or more with `least = most`: everywhere.
        least: strength at the end of the reach.
    """

    most: float = 1.0
    peak: float = 0.5
    reach: float = 1.0
    least: float = 1.0

    def __call__(self, layers: int) -> list[float]:
        """Return the strength of each of so many blocks."""
        depth = max(1, layers - 1)
        away = [abs(layer / depth - self.peak) for layer in range(layers)]
        slope = (self.least - self.most) / max(self.reach, 1e-9)
        return [self.most + slope * far if far <= self.reach + 1e-9 else 0.0 for far in away]
