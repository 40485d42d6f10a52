"""Write many facts into the MLPs of several blocks, with values that spare what attention would do (PMET).

Source: Li et al. 2024, "PMET: Precise Model Editing in a Transformer", AAAI 2024.
    minimise over d_a, d_m:  mean_j -log P(o | x_j + p; a + d_a, m + d_m) + ...   d_a, d_m: (d_model,)
    W_l' = W_l + R K_l^T (w C_l + K_l K_l^T)^-1,   R = (m_L + d_m - m) / (n - l)^(1/2)      W: (d_model, d_ff)   K: (d_ff, facts)
a and m are what attention and MLP of the last edited block put out at the subject, m as it is after the changes so far, l
counts the n blocks from 0. Both vectors are sought together, so that the MLP's need not also do what attention would; only
the MLP's is written. Differs from the paper: values as in `_facts.values`; w as in `memit`.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from .. import registry
from ..data.examples import Fact, Texts
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest, Spread, over_blocks, several_layers
from ._facts.keyvalue import Keys
from ._facts.least_squares import least_squares
from ._facts.statistics import RIDGE, damped
from ._facts.values import ValueOptimization, values


@method
def pmet(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    spread: Spread = "sqrt",
    weight: float = 0.1,
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
    """Make a PMET patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        spread: "sqrt" (PMET), "uniform" (MEMIT), or "first_last".
        weight: w above, in units of d_ff keys: more keeps more and writes less.
        ridge: added to C, relative to its mean diagonal.
        token: which of the subject's tokens is edited, counted from its end (`suture locate causal_trace` says which matter);
            0 for the tokens that say the target, which suits later blocks.
        prefixes: contexts that the model writes, besides the bare prompt.
        steps: most steps of the search for values.
        rate: of its steps, in units of the residual's norm over the root of its width.
        kl: weight of what the model says of the subject otherwise.
        decay: weight of the squared length of what is added, in units of the residual's.
        clamp: longest vector added at either place, in units of the residual's norm.
        keep: texts whose keys make up C (bundled neutral texts by default).
        statistics: folder that keeps C between runs.
        seed: of the contexts.
    """
    settings = registry.settings()
    aim = ValueOptimization(steps=steps, rate=rate, kl=kl, decay=decay, clamp=clamp, token=token, seed=seed)
    task = _Joint.of(lm, facts, prefixes, aim, keep, statistics)
    found = task.moments(several_layers(lm, layers))
    moments = {layer: damped(moment, ridge) for layer, moment in found.items()}

    def change(layer: int, keys: Keys, residuals: Tensor) -> LowRank:
        moment = moments[layer]
        return least_squares(weight * len(moment) * moment, keys.balanced, residuals)

    return task.patch("pmet", over_blocks(task, list(moments), spread, change, "mlp.out"), settings)


class _Joint(EditRequest):
    """A task whose values are sought together with vectors for the attention of the same block."""

    def values(self, site: Site) -> Tensor:
        """See `EditRequest.values`."""
        beside = [Site(site.layer, "attn.out")]
        return values(self.lm, self.facts, site, self.prefixes, self.aim, beside=beside).added
