"""Write many facts into one MLP's down-projection at once, each exactly (EMMET).

Source: Gupta et al. 2024, "A Unified Framework for Model Editing", eq. 10.
    W' = W + R (K^T C^-1 K + e I)^-1 K^T C^-1      W: (d_model, d_ff)   K: (d_ff, facts)   R: (d_model, facts)   C: (d_ff, d_ff)
Of all changes with W' K = W K + R it is the smallest in the metric of C; one fact is ROME.
Differs from the paper: e is relative to the mean diagonal of K^T C^-1 K; values as in `_facts.values`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from .. import registry
from ..data.examples import Fact, Texts
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest
from ._facts.keyvalue import chosen_layer, down, low_rank
from ._facts.statistics import RIDGE, damped, solve
from ._facts.values import ValueOptimization


@method
def emmet(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    slack: float = 1e-3,
    ridge: float = RIDGE,
    token: int = ValueOptimization.token,
    prefixes: int = 8,
    steps: int = ValueOptimization.steps,
    rate: float = ValueOptimization.rate,
    kl: float = ValueOptimization.kl,
    decay: float = ValueOptimization.decay,
    clamp: float = ValueOptimization.clamp,
    settle: int = ValueOptimization.settle,
    hold: float = ValueOptimization.hold,
    keep: Texts | None = None,
    statistics: Path | None = None,
    seed: int = 0,
) -> Patch:
    """Make an EMMET patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layer: the block to edit (an early one by default; measure).
        slack: e above; 0 writes every fact exactly, however much that takes where two keys are alike.
        ridge: added to C, relative to its mean diagonal.
        token: which of the subject's tokens is edited, counted from its end (`suture locate causal_trace` says which matter);
            0 for the tokens that say the target, which suits later blocks.
        prefixes: contexts that the model writes, besides the bare prompt.
        steps: most steps of the search for a value.
        rate: of its steps, in units of the residual's norm over the root of its width.
        kl: weight of what the model says of the subject otherwise.
        decay: weight of the squared length of what is added, in units of the residual's.
        clamp: longest vector added, in units of the residual's norm.
        settle: passes over all facts with all changes in place, which make a batch agree with itself; 0 as published.
        hold: weight, in these, of what the model says of the subjects and in texts to keep.
        keep: texts whose keys make up C (bundled neutral texts by default).
        statistics: folder that keeps C between runs.
        seed: of the contexts.
    """
    settings = registry.settings()
    aim = ValueOptimization(
        steps=steps, rate=rate, kl=kl, decay=decay, clamp=clamp, token=token, settle=settle, hold=hold, seed=seed
    )
    task = EditRequest.of(lm, facts, prefixes, aim, keep, statistics)
    layer = chosen_layer(lm, layer)
    weight = down(lm, layer)
    moment = damped(task.moment(layer), ridge)
    change = constrained(moment, task.keys(layer).mean, task.values(Site(layer, "mlp.out")), slack)
    return task.patch("emmet", task.settled([(weight, change)]), settings)


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
