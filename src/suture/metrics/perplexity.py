"""Perplexity on given texts, and its relative change: exp of the mean loss per token, every text after its start token.

A text that is longer than the model reads is read in windows, see `_windows`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..model.lm import LM, Batch
from ._forced import forced
from ._metric import metric
from ._score import Observation, Progress, Score, paired
from ._windows import windows

Cases = Sequence[str]


def score(before: Observation, after: Observation) -> Score:
    """Compare perplexities; the change is relative."""
    return paired(before, after, ratio=torch.exp)


@metric(score=score, unit="perplexity")
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the mean loss of each text, weighted by its tokens."""
    read = windows(lm, [lm.encode(text) for text in cases])
    losses, counts = torch.zeros(2, len(cases), dtype=torch.float64)
    texts = torch.tensor([window.text for window in read])

    def visit(part: Sequence[int], batch: Batch, logits: torch.Tensor) -> None:
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2), batch.ids[:, 1:], reduction="none"
        )  # (b, t - 1)
        first = torch.tensor([read[i].first for i in part], device=loss.device)
        real = batch.mask[:, 1:] * (torch.arange(1, batch.mask.shape[1], device=loss.device) >= first[:, None])
        sums, tokens = (loss * real).sum(1).double().cpu(), real.sum(1).double().cpu()
        losses.index_add_(0, texts[list(part)], sums)
        counts.index_add_(0, texts[list(part)], tokens)

    forced(lm, [window.ids for window in read], visit, progress)
    return Observation(losses / counts, counts)
