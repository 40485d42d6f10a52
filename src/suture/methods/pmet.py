"""Write many facts into the MLPs of several blocks, with values that spare what attention would do (PMET).

Source: Li et al. 2024, "PMET: Precise Model Editing in a Transformer", AAAI 2024.
    minimise over d_a, d_m:  mean_j -log P(o | x_j + p; a + d_a, m + d_m) + ...   d_a, d_m: (d_model,)
    W_l' = W_l + R K_l^T (w C_l + K_l K_l^T)^-1,   R = (m_L + d_m - m) / (n - l)^(1/2)      W: (d_model, d_ff)   K: (d_ff, facts)
a and m are what attention and MLP of the last edited block put out at the subject, m as it is after the changes so far, l
counts the n blocks from 0. Both vectors are sought together, so that the MLP's need not also do what attention would; only
the MLP's is written. Differs from the paper: values as in `_facts.values`; w as in `memit`.
"""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from .. import registry
from ..data.examples import Fact
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest, Spread, over_blocks, several_layers
from ._facts.least_squares import regularised
from ._facts.settings import ClosedForm
from ._facts.statistics import RIDGE
from ._facts.values import values


@method
def pmet(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    spread: Spread = "sqrt",
    weight: float = 0.1,
    ridge: float = RIDGE,
    **shared: Unpack[ClosedForm],
) -> Patch:
    """Make a PMET patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        spread: "sqrt" (PMET), "uniform" (MEMIT), or "first_last".
        weight: w above, in units of d_ff keys: more keeps more and writes less.
        ridge: added to C, relative to its mean diagonal.
        shared: see `_facts.settings.ClosedForm`.
    """
    task = _Joint.of(lm, facts, **shared)
    blocks = several_layers(lm, layers)
    change = regularised(task.moments(blocks), weight, ridge)
    return task.patch("pmet", over_blocks(task, blocks, spread, change, "mlp.out"), registry.settings())


class _Joint(EditRequest):
    """A task whose values are sought together with vectors for the attention of the same block."""

    def values(self, site: Site) -> Tensor:
        """See `EditRequest.values`."""
        beside = [Site(site.layer, "attn.out")]
        return values(self.lm, self.facts, site, self.prefixes, self.aim, beside=beside).added
