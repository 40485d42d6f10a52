"""Lengths that stand apart from all others, told from ordinary variation by what varies in the lengths themselves.

    limit = FAR * q        q: the upper quartile of the lengths
The upper quartile stays where it is while fewer than a quarter of the lengths are outliers, and grows with ordinary spread, so
that a place where lengths vary much has a higher limit than one where they are all alike.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of the upper quartile. Ordinary states reach 14 times theirs in the bundled model (where rare tokens are long) and 10 times in
# SmolLM2-135M, whose sinks are at 140 times (docs/lab/steering.md#sinks); Sun et al. 2024 report 100 times the median and more.
FAR = 24.0


def lengths(states: Tensor) -> Tensor:
    """Return the lengths of states, computed in float32 at least and without gradient: (..., d) -> (...) float32."""
    wide = torch.promote_types(states.dtype, torch.float32)
    return torch.linalg.vector_norm(states.detach(), dim=-1, dtype=wide).float()


def outlier_limit(values: Tensor, chosen: Tensor) -> Tensor:
    """Return the length above which one is an outlier of its row.

    Args:
        values: (rows, n) lengths.
        chosen: (rows, n) bool, those that are there.

    Returns:
        (rows,) limits; infinite where nothing is there, or where the upper quartile is zero or no number.
    """
    ordered = values.float().masked_fill(~chosen, torch.inf).sort(dim=1).values
    # rounded down: of two lengths the smaller is the ordinary one, of three the middle
    place = (0.75 * (chosen.sum(1, keepdim=True) - 1).clamp(min=0)).long()
    quartile = ordered.gather(1, place)[:, 0]
    return torch.where(quartile > 0, FAR * quartile, torch.inf)
