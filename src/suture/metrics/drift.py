"""How far the distribution moved on benign texts: KL(base || edited) in nats per token, over whole sequences.

A text that is longer than the model reads is read in windows, see `_windows`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..model.lm import LM, Batch
from ._forced import forced
from ._metric import metric
from ._score import Observation, Progress, Score, paired
from ._windows import Window, windows
from .perplexity import Losses, cache_key

Cases = Sequence[str]
BUDGET = 1 << 25  # log-probabilities kept, 128 MB; of long or many texts evenly spaced positions are kept


def score(before: Observation, after: Observation) -> Score:
    """Return the mean KL per token as `after`; `before` is 0 by definition, and so is a model against itself."""
    values = [_divergence(before, after, text) for text in range(len(before.values))]
    moved = Observation(torch.tensor(values, dtype=torch.float64), before.weights)
    return paired(before, moved)


def _divergence(before: Observation, after: Observation, text: int) -> float:
    """Return the mean KL of a text over the positions that both keep: every `n`th and every `m`th, powers of two."""
    kept = [observation.extra["logprobs"][text] for observation in (before, after)]
    strides = [observation.extra["stride"][text] for observation in (before, after)]
    old, new = (rows[:: max(strides) // stride] for rows, stride in zip(kept, strides, strict=True))
    return float((old.exp() * (old - new)).double().sum(-1).mean())


def repeat(cases: Cases, made: Observation) -> Observation | None:
    """Return the observation of the same texts, if it keeps what the model predicted."""
    return made if "logprobs" in made.extra else None


@metric(score=score, unit="nats", cache_key=cache_key, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Keep the log-probabilities of each text's positions, for `score`, and the losses, which `perplexity` reads."""
    rows = [lm.encode(text) for text in cases]
    vocabulary = int(lm.model.config.vocab_size)
    over = sum(map(len, rows)) * vocabulary / BUDGET
    stride = 1 << max(0, math.ceil(math.log2(over))) if over else 1  # so that few texts keep what many do, and more
    return logprobs(lm, rows, windows(lm, rows), slice(None, None, stride), progress)


def logprobs(
    lm: LM, rows: Sequence[list[int]], read: Sequence[Window], positions: slice, progress: Progress | None = None
) -> Observation:
    """Return an observation that keeps what the model predicts at some positions of each row, (kept, vocabulary).

    Args:
        lm: the model.
        rows: ids of each text.
        read: what is read of them; see `windows`.
        positions: which are kept, of each text.
        progress: told after each batch.
    """
    predictions: dict[int, torch.Tensor] = {}
    losses = Losses(read, len(rows))
    kept = [range(len(row))[positions] for row in rows]

    def visit(part: Sequence[int], batch: Batch, logits: torch.Tensor) -> None:
        losses.add(part, batch, logits)
        for place, index in enumerate(part):
            window = read[index]
            counted = range(window.begin, window.begin + len(window.ids) - window.first)
            wanted = [p - window.begin + window.first for p in kept[window.text] if p in counted]
            predictions[index] = logits[place, wanted].float().log_softmax(-1).cpu()

    forced(lm, [window.ids for window in read], visit, progress)
    whole = {
        text: torch.cat([predictions[i] for i, window in enumerate(read) if window.text == text])
        for text in range(len(rows))
    }
    counts = torch.tensor([len(whole[i]) for i in range(len(rows))], dtype=torch.float64)
    extra = {"logprobs": whole, "stride": [positions.step or 1] * len(rows), **losses.extra()}
    return Observation(torch.zeros(len(rows), dtype=torch.float64), counts, extra=extra)
