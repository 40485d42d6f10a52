"""Which rows already say what they are to say: every token of the target is the argmax of its prediction."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...metrics._forced import forced
from ...model.lm import LM, Batch
from ...model.run.fact_rows import Row
from .beginnings import beginnings


def target_is_argmax(lm: LM, rows: Sequence[Row]) -> Tensor:
    """Return for each row whether the model, as it is now, would say all of it from `begin` on: (rows,) of bool."""
    longest, holder = beginnings([tuple(row.ids) for row in rows])
    likeliest: dict[int, Tensor] = {}  # of each run row, whether each token but the first was the likeliest

    def visit(part: Sequence[int], batch: Batch, logits: Tensor) -> None:
        hits = logits[:, :-1].argmax(-1) == batch.ids[:, 1:]  # padded on the right
        likeliest.update(zip(part, hits.cpu(), strict=True))

    forced(lm, longest, visit, None)
    right = [likeliest[i][row.begin - 1 : len(row.ids) - 1].all() for row, i in zip(rows, holder, strict=True)]
    return torch.stack(right)
