"""How likely given answers are when they are forced, token by token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..model.lm import LM, Batch
from ._forced import forced
from ._score import Progress


def likely(
    lm: LM, prompts: Sequence[str], answers: Sequence[str], *, chat: bool = False, progress: Progress | None = None
) -> Tensor:
    """Return mean_i log P(o_i | prompt, o_1 .. o_(i-1)) over the tokens of each answer, in nats: (prompts,) float64.

    Prompt and answer are read in one piece (`LM.encode_answers`); of a chat only the answer counts, not what ends its turn.
    """
    encoded = lm.encode_answers(prompts, answers, chat=chat)
    rows = [ids for ids, _ in encoded]
    values = torch.zeros(len(rows), dtype=torch.float64)

    def visit(part: Sequence[int], batch: Batch, logits: Tensor) -> None:
        logprobs = logits[:, :-1].float().log_softmax(-1)
        token_logprobs = logprobs.gather(-1, batch.ids[:, 1:, None])[..., 0].double().cpu()  # (rows, tokens - 1)
        for row, index in enumerate(part):
            values[index] = token_logprobs[row, encoded[index][1] - 1 : len(rows[index]) - 1].mean()

    forced(lm, rows, visit, progress, "answers")
    return values
