"""Write many facts at once by least squares, spread over the down-projections of several blocks (MEMIT).

Source: Meng et al. 2023, "Mass-Editing Memory in a Transformer", eq. 14 and 20.
    W' = W + R K^T (w C + K K^T)^-1      W: (d_model, d_ff)   K: (d_ff, facts)   R: (d_model, facts)   C: (d_ff, d_ff)
w weighs what is to stay against what is to change. Everything is solved in float64, with fewer facts than d_ff by
Woodbury's identity: R (K^T A^-1 K + I)^-1 K^T A^-1 with A = w C.
Differs from the paper: w is in units of d_ff keys (the published 15,000 to 20,000 are 0.9 to 3.1 of these); blocks share
the work evenly, by the root as PMET (Li et al. 2023) does, or only the first and the last do, each with values of its own.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .. import registry
from ..data.examples import Fact, Texts
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest, Spread, over_blocks, several_layers
from ._facts.keyvalue import Keys
from ._facts.least_squares import least_squares
from ._facts.statistics import RIDGE, damped
from ._facts.values import ValueOptimization


@method
def memit(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    spread: Spread = "uniform",
    weight: float = 0.1,
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
    """Make a MEMIT patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        spread: "uniform" (MEMIT), "sqrt" (PMET), or "first_last".
        weight: w above, in units of d_ff keys: more keeps more and writes less.
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
    found = task.moments(several_layers(lm, layers))
    moments = {layer: damped(moment, ridge) for layer, moment in found.items()}

    def change(layer: int, keys: Keys, residuals: Tensor) -> LowRank:
        moment = moments[layer]
        return least_squares(weight * len(moment) * moment, keys.balanced, residuals)

    return task.patch("memit", over_blocks(task, list(moments), spread, change), settings)
