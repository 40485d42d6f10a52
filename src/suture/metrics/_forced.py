"""Running given texts through a model in batches, for metrics that read its predictions instead of letting it write."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..model.lm import LM, Batch, bucketed, halving
from ..model.run.batches import tokens_with_logits
from ._score import Progress

Visit = Callable[
    [Sequence[int], Batch, Tensor], None
]  # numbers of the rows, the batch, logits (rows, tokens, vocabulary)


@torch.no_grad()
def forced(lm: LM, rows: Sequence[Sequence[int]], visit: Visit, progress: Progress | None, what: str = "texts") -> None:
    """Call `visit` with the logits of all rows, a batch of similar length after the other.

    Args:
        lm: the model.
        rows: ids of each text.
        visit: reads a batch; one that does not fit in memory comes again in halves.
        progress: told after each batch.
        what: the rows are.
    """

    def run(part: Sequence[int]) -> int:
        batch = lm.batch([rows[i] for i in part])
        visit(part, batch, lm.forward(batch).logits)
        return len(part)

    done = 0
    for group in bucketed([len(row) for row in rows], tokens_with_logits(int(lm.model.config.vocab_size))):
        for count in halving(group, run):
            done += count
            if progress:
                progress(what, done, len(rows))
