"""Write many facts at once by least squares, spread over the down-projections of several blocks (MEMIT).

Source: Meng et al. 2023, "Mass-Editing Memory in a Transformer", eq. 14 and 20.
    W' = W + R K^T (w C + K K^T)^-1      W: (d_model, d_ff)   K: (d_ff, facts)   R: (d_model, facts)   C: (d_ff, d_ff)
w weighs what is to stay against what is to change. Everything is solved in float64, with fewer facts than d_ff by
Woodbury's identity: R (K^T A^-1 K + I)^-1 K^T A^-1 with A = w C.
Differs from the paper: w is in units of d_ff keys (the published 15,000 to 20,000 are 0.9 to 3.1 of these); blocks share
the work evenly, by the root as PMET (Li et al. 2023) does, or only the first and the last do, each with values of its own.
"""

from __future__ import annotations

from typing_extensions import Unpack

from .. import registry
from ..data.examples import Fact
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest, Spread, over_blocks, several_layers
from ._facts.least_squares import regularised
from ._facts.settings import JointClosedForm
from ._facts.statistics import RIDGE


@method
def memit(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    spread: Spread = "uniform",
    weight: float = 0.1,
    ridge: float = RIDGE,
    **shared: Unpack[JointClosedForm],
) -> Patch:
    """Make a MEMIT patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        spread: "uniform" (MEMIT), "sqrt" (PMET), or "first_last".
        weight: w above, in units of d_ff keys: more keeps more and writes less.
        ridge: added to C, relative to its mean diagonal.
        shared: see `_facts.settings.JointClosedForm`.
    """
    task = EditRequest.of(lm, facts, **shared)
    blocks = several_layers(lm, layers)
    change = regularised(task.moments(blocks), weight, ridge)
    return task.patch("memit", over_blocks(task, blocks, spread, change), registry.settings())
