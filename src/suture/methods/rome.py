"""Rewrite facts, one after the other, each with a rank-one change of one MLP's down-projection (ROME).

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", eq. 2; Gupta et al. 2024, "Rebuilding ROME:
Resolving Model Collapse during Sequential Model Editing".
    W' = W + r (C^-1 k)^T / ((C^-1 k)^T k)      W: (d_model, d_ff)   k: (d_ff,)   C: (d_ff, d_ff)   r = v - W k: (d_model,)
Of all changes with W' k = v it is the smallest in the metric of C: texts to keep notice it least.
Differs from the paper: one averaged key throughout, as Gupta et al. correct it (`key="mixed"` is the authors' code, which
solves with the average and measures with the bare prompt's); values as in `_facts.values`; a ridge on C.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from .. import registry
from ..data.examples import Fact, Texts
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest
from ._facts.keyvalue import chosen_layer, down, low_rank
from ._facts.statistics import RIDGE, damped, solve
from ._facts.values import ValueOptimization


@method
def rome(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    key: Literal["consistent", "mixed"] = "consistent",
    ridge: float = RIDGE,
    token: int = ValueOptimization.token,
    prefixes: int = 8,
    steps: int = ValueOptimization.steps,
    rate: float = ValueOptimization.rate,
    kl: float = ValueOptimization.kl,
    decay: float = ValueOptimization.decay,
    clamp: float = ValueOptimization.clamp,
    keep: Texts | None = None,
    statistics: Path | None = None,
    seed: int = 0,
) -> Patch:
    """Make a ROME patch.

    Args:
        lm: the model; not changed.
        facts: what to write, in this order; a later one leaves the keys of earlier ones as they are.
        layer: the block to edit (an early one by default; measure).
        key: "consistent" uses the key averaged over contexts throughout; "mixed" is the authors' code.
        ridge: added to C, relative to its mean diagonal.
        token: which of the subject's tokens is edited, counted from its end (`suture locate causal_trace` says which matter);
            0 for the tokens that say the target, which suits later blocks.
        prefixes: contexts that the model writes, besides the bare prompt.
        steps: most steps of the search for a value.
        rate: of its steps, in units of the residual's norm over the root of its width.
        kl: weight of what the model says of the subject otherwise.
        decay: weight of the squared length of what is added, in units of the residual's.
        clamp: longest vector added, in units of the residual's norm.
        keep: texts whose keys make up C (bundled neutral texts by default).
        statistics: folder that keeps C between runs.
        seed: of the contexts.
    """
    settings = registry.settings()
    aim = ValueOptimization(steps=steps, rate=rate, kl=kl, decay=decay, clamp=clamp, token=token, seed=seed)
    task = EditRequest.of(lm, facts, prefixes, aim, keep, statistics)
    layer = chosen_layer(lm, layer)
    weight, found = down(lm, layer), task.keys(layer)
    measured = found.bare if key == "mixed" else found.mean  # (facts, d_ff)
    solved = solve(damped(task.moment(layer), ridge), found.mean.T).T
    right = solved / (solved * measured).sum(1, keepdim=True)
    left = task.values(Site(layer, "mlp.out"))  # (facts, d_model), what each fact's output shall gain over the base
    for index in range(1, len(left)):  # the change so far already moved this fact's output: take that off
        left[index] -= left[:index].T @ (right[:index] @ measured[index])
    change = low_rank(left.T, right)
    return task.patch("rome", {weight.tensor: [weight.place(change)]}, settings)
