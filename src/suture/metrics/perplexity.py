"""Perplexity on given texts, and its relative change: exp of the mean loss per token, every text after its start token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..model.lm import LM, Batch
from ._forced import forced
from ._metric import metric
from ._score import Observation, Progress, Score, paired

Cases = Sequence[str]


def score(before: Observation, after: Observation) -> Score:
    """Compare perplexities; the change is relative."""
    return paired(before, after, ratio=torch.exp)


@metric(score=score, unit="perplexity")
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the mean loss of each text, weighted by its tokens."""
    rows = [lm.encode(text) for text in cases]
    losses = torch.zeros(len(rows), dtype=torch.float64)
    counts = torch.zeros(len(rows), dtype=torch.float64)

    def visit(part: Sequence[int], batch: Batch, logits: torch.Tensor) -> None:
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2), batch.ids[:, 1:], reduction="none"
        )  # (b, t - 1)
        real = batch.mask[:, 1:]
        losses[list(part)] = ((loss * real).sum(1) / real.sum(1)).double().cpu()
        counts[list(part)] = real.sum(1).double().cpu()

    forced(lm, rows, visit, progress)
    return Observation(losses, counts)
