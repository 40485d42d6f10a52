"""A change of one down-projection while it is being trained: added as the model runs, the weight left alone.

out = W k + D k      k: (batch, tokens, d_ff) what the down-projection reads, D: (d_model, d_ff) the change
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..anatomy import Site, Weight
from ..delta import Delta, Dense, LowRank
from ..lm import LM
from ..tracing import trace


@contextmanager
def changed(lm: LM, layer: int, change: Tensor, columns: Tensor | None = None) -> Iterator[None]:
    """Add what a change of the down-projection would add.

    Args:
        lm: the model.
        layer: of the block.
        change: (d_model, d_ff) float32, or (d_model, columns).
        columns: which columns of the matrix the change has; all by default.
    """
    key, out = Site(layer, "mlp.key"), Site(layer, "mlp.out")

    def added(value: Tensor) -> Tensor:
        read = seen[key] if columns is None else seen[key][..., columns]
        return value + (read.float() @ change.T).to(value)

    with trace(lm, [key], edit={out: added}) as seen:
        yield


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
