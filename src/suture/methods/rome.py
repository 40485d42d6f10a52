"""Rewrite facts, one after the other, each with a rank-one change of one MLP's down-projection (ROME).

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", eq. 2; Gupta et al. 2024, "Rebuilding ROME:
Resolving Model Collapse during Sequential Model Editing".
    W' = W + r (C^-1 k)^T / ((C^-1 k)^T k)      W: (d_model, d_ff)   k: (d_ff,)   C: (d_ff, d_ff)   r = v - W k: (d_model,)
Of all changes with W' k = v it is the smallest in the metric of C: texts to keep notice it least.
Differs from the paper: one averaged key throughout, as Gupta et al. correct it (`key="mixed"` is the authors' code, which
solves with the average and measures with the bare prompt's); values as in `_facts.values`; a ridge on C.
"""

from __future__ import annotations

from typing import Literal

from typing_extensions import Unpack

from .. import registry
from ..data.examples import Fact
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import EditRequest
from ._facts.keyvalue import chosen_layer, down, low_rank
from ._facts.settings import ClosedForm
from ._facts.statistics import RIDGE, damped, solve


@method
def rome(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    key: Literal["consistent", "mixed"] = "consistent",
    ridge: float = RIDGE,
    **shared: Unpack[ClosedForm],
) -> Patch:
    """Make a ROME patch.

    Args:
        lm: the model; not changed.
        facts: what to write, in this order; a later one leaves the keys of earlier ones as they are.
        layer: the block to edit (an early one by default; measure).
        key: "consistent" uses the key averaged over contexts throughout; "mixed" is the authors' code.
        ridge: added to C, relative to its mean diagonal.
        shared: see `_facts.settings.ClosedForm`.
    """
    task = EditRequest.of(lm, facts, **shared)
    layer = chosen_layer(lm, layer)
    weight, keys = down(lm, layer), task.keys(layer)
    measured = keys.bare if key == "mixed" else keys.mean  # (facts, d_ff)
    solved = solve(damped(task.moment(layer), ridge), keys.mean.T).T
    right = solved / (solved * measured).sum(1, keepdim=True)
    left = task.values(Site(layer, "mlp.out"))  # (facts, d_model), what each fact's output shall gain over the base
    for index in range(1, len(left)):  # the change so far already moved this fact's output: take that off
        left[index] -= left[:index].T @ (right[:index] @ measured[index])
    change = low_rank(left.T, right)
    return task.patch("rome", {weight.tensor: [weight.place(change)]}, registry.settings())
