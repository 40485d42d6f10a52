"""The change of a matrix that writes some outputs at some inputs, and otherwise as little as it must; MEMIT's and PMET's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ...patch.delta import LowRank
from .keyvalue import Keys, low_rank
from .statistics import damped, solve


def least_squares(regulariser: Tensor, keys: Tensor, residuals: Tensor) -> LowRank:
    """Return the D that minimises tr(D A D^T) + |D K - R|^2, whichever of the two systems is smaller.

    Args:
        regulariser: A, (in, in), positive definite.
        keys: (facts, in).
        residuals: (facts, out).
    """
    if len(keys) < len(regulariser):
        solved = solve(regulariser, keys.T)  # (in, facts)
        small = keys @ solved + torch.eye(len(keys), dtype=keys.dtype)
        return low_rank(solve(small, residuals).T, solved.T)
    return low_rank(residuals.T, solve(regulariser + keys.T @ keys, keys.T).T)


def regularised(moments: Mapping[int, Tensor], weight: float, ridge: float) -> Callable[[int, Keys, Tensor], LowRank]:
    """Return how a block is changed: by R K^T (w C + K K^T)^-1, for `batches.over_blocks`.

    Args:
        moments: C of each block, (d_ff, d_ff), without a ridge.
        weight: w, in units of d_ff keys.
        ridge: added to C, relative to its mean diagonal.
    """
    regularisers = {layer: weight * len(moment) * damped(moment, ridge) for layer, moment in moments.items()}
    return lambda layer, keys, residuals: least_squares(regularisers[layer], keys.balanced, residuals)
