"""Write many facts into one MLP's down-projection at once, each exactly (EMMET).

Source: Gupta et al. 2024, "A Unified Framework for Model Editing", eq. 10.
    W' = W + R (K^T C^-1 K + e I)^-1 K^T C^-1      W: (d_model, d_ff)   K: (d_ff, facts)   R: (d_model, facts)   C: (d_ff, d_ff)
Of all changes with W' K = W K + R it is the smallest in the metric of C; one fact is ROME.
Differs from the paper: e is relative to the mean diagonal of K^T C^-1 K; values as in `_facts.values`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Unpack

from .. import registry
from ..data.examples import Fact
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest
from ._facts.keyvalue import chosen_layer, down, low_rank
from ._facts.settings import JointClosedForm
from ._facts.statistics import RIDGE, damped, solve


@method
def emmet(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    slack: float = 1e-3,
    ridge: float = RIDGE,
    **shared: Unpack[JointClosedForm],
) -> Patch:
    """Make an EMMET patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layer: the block to edit (an early one by default; measure).
        slack: e above; 0 writes every fact exactly, however much that takes where two keys are alike.
        ridge: added to C, relative to its mean diagonal.
        shared: see `_facts.settings.JointClosedForm`.
    """
    task = EditRequest.of(lm, facts, **shared)
    layer = chosen_layer(lm, layer)
    weight = down(lm, layer)
    moment = damped(task.moment(layer), ridge)
    change = constrained(moment, task.keys(layer).mean, task.values(Site(layer, "mlp.out")), slack)
    return task.patch("emmet", task.jointly([(weight, change)]), registry.settings())


def constrained(moment: Tensor, keys: Tensor, residuals: Tensor, slack: float) -> LowRank:
    """Return the smallest change D with D k_i = r_i: keys (facts, d_ff), residuals (facts, d_model).

    Args:
        moment: C, positive definite.
        keys: one a row.
        residuals: one a row.
        slack: relative ridge of the small system; without it, equal keys are met by the pseudo-inverse.
    """
    solved = solve(moment, keys.T)  # (d_ff, facts)
    small = keys @ solved
    small = small + slack * small.diagonal().mean() * torch.eye(len(small), dtype=small.dtype)
    return low_rank(residuals.T @ torch.linalg.pinv(small, hermitian=True), solved.T)
