"""The change of a matrix that writes some outputs at some inputs, and otherwise as little as it must."""

from __future__ import annotations

import torch
from torch import Tensor

from ...patch.delta import LowRank
from .keyvalue import low_rank
from .statistics import solve


def least_squares(kept: Tensor, keys: Tensor, residuals: Tensor) -> LowRank:
    """Return the D that minimises tr(D A D^T) + |D K - R|^2, whichever of the two systems is smaller.

    Args:
        kept: A, (in, in), positive definite.
        keys: (facts, in).
        residuals: (facts, out).
    """
    if len(keys) < len(kept):
        solved = solve(kept, keys.T)  # (in, facts)
        small = keys @ solved + torch.eye(len(keys), dtype=keys.dtype)
        return low_rank(solve(small, residuals).T, solved.T)
    return low_rank(residuals.T, solve(kept + keys.T @ keys, keys.T).T)
