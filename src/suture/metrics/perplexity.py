"""Perplexity on given texts, and its relative change: exp of the mean loss per token, every text after its start token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..lm import LM, bucketed, halving
from ._score import Observation, Progress, Score, Unit, paired

Cases = Sequence[str]
UNIT: Unit = "perplexity"


@torch.no_grad()
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the mean loss of each text, weighted by its tokens."""
    rows = [lm.encode(text) for text in cases]
    losses = torch.zeros(len(rows), dtype=torch.float64)
    counts = torch.zeros(len(rows), dtype=torch.float64)

    def run(part: Sequence[int]) -> int:
        batch = lm.batch([rows[i] for i in part])
        logits = lm.forward(batch).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), batch.ids[:, 1:], reduction="none"
        )  # (b, t - 1)
        real = batch.mask[:, 1:]
        losses[list(part)] = ((loss * real).sum(1) / real.sum(1)).double().cpu()
        counts[list(part)] = real.sum(1).double().cpu()
        return len(part)

    done = 0
    for group in bucketed([len(row) for row in rows]):
        for count in halving(group, run):
            done += count
            if progress:
                progress("texts", done, len(rows))
    return Observation(losses, counts)


def score(before: Observation, after: Observation) -> Score:
    """Compare perplexities; the change is relative."""
    return paired(before, after, ratio=torch.exp)
