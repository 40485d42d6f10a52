"""How likely given answers are when they are forced, token by token."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..model.lm import LM, Batch
from ._forced import forced
from ._score import Progress


class Likely(NamedTuple):
    """How likely forced answers are.

    Attributes:
        logprob: mean_i log P(o_i | prompt, o_1 .. o_(i-1)) over the tokens of each answer, in nats: (prompts,) float64.
        first: whether each of its tokens is the likeliest there: what greedy writing would say, (prompts,) bool.
    """

    logprob: Tensor
    first: Tensor


def likely(
    lm: LM, prompts: Sequence[str], answers: Sequence[str], *, chat: bool = False, progress: Progress | None = None
) -> Likely:
    """Return how likely answers are behind their prompts.

    Prompt and answer are read in one piece (`LM.encode_answers`); of a chat only the answer counts, not what ends its turn.
    """
    encoded = lm.encode_answers(prompts, answers, chat=chat)
    rows = [ids for ids, _ in encoded]
    values, first = torch.zeros(len(rows), dtype=torch.float64), torch.zeros(len(rows), dtype=torch.bool)

    def visit(part: Sequence[int], batch: Batch, logits: Tensor) -> None:
        right = (logits[:, :-1].argmax(-1) == batch.ids[:, 1:]).cpu()  # (rows, tokens - 1)
        logprobs = logits[:, :-1].float().log_softmax(-1)
        token_logprobs = logprobs.gather(-1, batch.ids[:, 1:, None])[..., 0].double().cpu()  # (rows, tokens - 1)
        for row, index in enumerate(part):
            span = slice(encoded[index][1] - 1, len(rows[index]) - 1)
            values[index], first[index] = token_logprobs[row, span].mean(), right[row, span].all()

    forced(lm, rows, visit, progress, "answers")
    return Likely(values, first)


def same_answers(*columns: Sequence[str], chat: bool) -> Hashable:
    """Return a key that is the same for cases that force the same answers behind the same prompts."""
    return ("forced", *map(tuple, columns), chat)
