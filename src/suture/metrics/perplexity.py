"""Perplexity on given texts, and its relative change: exp of the mean loss per token, every text after its start token.

A text that is longer than the model reads is read in windows, see `_windows`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from ..model.lm import LM, Batch
from ._forced import forced
from ._metric import metric
from ._score import Observation, Progress, Score, paired
from ._windows import Window, windows

Cases = Sequence[str]


def score(before: Observation, after: Observation) -> Score:
    """Compare perplexities; the change is relative."""
    return paired(before, after, ratio=torch.exp)


def cache_key(cases: Cases) -> Hashable:
    """Return a key that is the same for measures that read the same texts whole."""
    return ("read", *cases)


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that were read, for `drift` too."""
    extra = {key: made.extra[key] for key in ("losses", "tokens")}
    losses, tokens = (torch.tensor(values, dtype=torch.float64) for values in extra.values())
    return Observation(losses, tokens, extra=extra)


@metric(score=score, unit="perplexity", cache_key=cache_key, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the mean loss of each text, weighted by its tokens."""
    read = windows(lm, [lm.encode(text) for text in cases])
    losses = Losses(read, len(cases))

    def visit(part: Sequence[int], batch: Batch, logits: Tensor) -> None:
        losses.add(part, batch, logits)

    forced(lm, [window.ids for window in read], visit, progress)
    return repeat(cases, Observation(torch.zeros(0), torch.zeros(0), extra=losses.extra()))


class Losses:
    """Adds up the loss of each text's tokens, batch by batch.

    Args:
        read: what is read of the texts, see `windows`.
        count: of texts.
    """

    def __init__(self, read: Sequence[Window], count: int) -> None:
        self.read, self.texts = read, torch.tensor([window.text for window in read])
        self.sums, self.tokens = torch.zeros(2, count, dtype=torch.float64)

    def add(self, part: Sequence[int], batch: Batch, logits: Tensor) -> None:
        """Add a batch: numbers of its windows, and what the model predicts, (windows, tokens, vocabulary)."""
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2), batch.ids[:, 1:], reduction="none"
        )  # (windows, tokens - 1)
        first = torch.tensor([self.read[i].first for i in part], device=loss.device)
        real = batch.mask[:, 1:] * (torch.arange(1, batch.mask.shape[1], device=loss.device) >= first[:, None])
        self.sums.index_add_(0, self.texts[list(part)], (loss * real).sum(1).double().cpu())
        self.tokens.index_add_(0, self.texts[list(part)], real.sum(1).double().cpu())

    def extra(self) -> dict[str, list[float]]:
        """Return the mean loss of each text and the number of its tokens, as an observation keeps them."""
        return {"losses": (self.sums / self.tokens).tolist(), "tokens": self.tokens.tolist()}
