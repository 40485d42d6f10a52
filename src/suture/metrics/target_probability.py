"""How likely the right answer is when it is forced, token by token: a diagnostic, never a success.

A forced answer tells the model its length and its first tokens; what the model would say by itself is `completion`.
    value = exp( mean_i log P(o_i | prompt, o_1 .. o_(i-1)) )
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..lm import LM, Batch
from ._forced import forced
from ._score import Observation, Progress, Score, paired
from .completion import Cases


def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the geometric mean of the probabilities of each answer's tokens."""
    prompts = lm.encode_prompts(cases.prompts, chat=cases.chat)
    answers = [list(lm.tokenizer(f" {answer}", add_special_tokens=False)["input_ids"]) for answer in cases.answers]
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    values = torch.zeros(len(rows), dtype=torch.float64)

    def visit(part: Sequence[int], batch: Batch, logits: torch.Tensor) -> None:
        likely = logits[:, :-1].float().log_softmax(-1)
        each = likely.gather(-1, batch.ids[:, 1:, None])[..., 0].double().cpu()  # (rows, tokens - 1)
        for row, index in enumerate(part):
            begin, end = len(prompts[index]) - 1, len(rows[index]) - 1
            values[index] = each[row, begin:end].mean().exp()

    forced(lm, rows, visit, progress, "answers")
    return Observation(values, torch.ones(len(rows), dtype=torch.float64))


def score(before: Observation, after: Observation) -> Score:
    """Compare the mean probabilities."""
    return paired(before, after)
