"""A change of one block's down-projection while it is being trained: added as the model runs, the weight left alone.

out = W k + D k      k: (batch, tokens, d_ff) what the down-projection reads, D: (d_model, d_ff) the change
In a mixture every expert e has its own W_e and D_e, which the tokens sent to it meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ...model.arch.anatomy import Site, Weight
from ...model.lm import LM
from ...model.run.tracing import moved, trace
from ...patch.delta import Dense, LowRank
from ...patch.delta_kind import Delta
from .loop import Full


@contextmanager
def changed(lm: LM, layer: int, change: Tensor, columns: Tensor | None = None) -> Iterator[None]:
    """Add what a change of the down-projection would add.

    Args:
        lm: the model.
        layer: of the block.
        change: (d_model, d_ff) float32, or (d_model, columns), or (experts, d_model, d_ff).
        columns: which columns of the matrix the change has; all by default.
    """
    if change.dim() == 3:
        pairs = zip(lm.anatomy.weights("mlp.down", [layer]), change, strict=True)
        with moved(lm, [(weight, Full(weight, values).effect) for weight, values in pairs]):
            yield
        return
    key, out = Site(layer, "mlp.key"), Site(layer, "mlp.out")

    def added(value: Tensor) -> Tensor:
        keys = states[key] if columns is None else states[key][..., columns]
        return value + (keys.float() @ change.T).to(value)

    with trace(lm, [key], edit={out: added}) as states:
        yield


def deltas(lm: LM, layer: int, change: Tensor, columns: Tensor | None = None) -> dict[str, Delta]:
    """Return a trained change by tensor of the checkpoint; experts that no token was sent to are left out."""
    weights = lm.anatomy.weights("mlp.down", [layer])
    if change.dim() == 2:
        return {weights[0].tensor: delta(weights[0], change, columns)}
    totals: dict[str, Tensor] = {}
    for weight, values in zip(weights, change, strict=True):
        if bool(values.any()):
            whole = Full(weight, values).delta().values
            totals[weight.tensor] = totals[weight.tensor] + whole if weight.tensor in totals else whole
    return {name: Dense(values) for name, values in totals.items()}


def delta(weight: Weight, change: Tensor, columns: Tensor | None = None) -> Delta:
    """Return a trained change as a delta of the stored tensor: dense, or of the smaller rank when it has few columns."""
    values = change.detach().float().cpu()
    if columns is None:
        return Dense((values.T if weight.transposed else values).contiguous())
    out, count = values.shape
    numbers = columns.cpu()
    if count <= out:
        return weight.place(LowRank(values.contiguous(), torch.eye(count), columns=numbers))
    return weight.place(LowRank(torch.eye(out), values.contiguous(), columns=numbers))
