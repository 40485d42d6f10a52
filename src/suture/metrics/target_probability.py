"""How likely the right answer is when it is forced, token by token: a diagnostic, never a success.

A forced answer tells the model its length and its first tokens; what the model would say by itself is `completion`.
    value = exp( mean_i log P(o_i | prompt, o_1 .. o_(i-1)) )
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..lm import LM, bucketed, halving
from ._score import Observation, Progress, Score, paired
from .completion import Cases


@torch.no_grad()
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the geometric mean of the probabilities of each answer's tokens."""
    prompts = lm.encode_prompts(cases.prompts, chat=cases.chat)
    answers = [list(lm.tokenizer(f" {answer}", add_special_tokens=False)["input_ids"]) for answer in cases.answers]
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    values = torch.zeros(len(rows), dtype=torch.float64)

    def run(part: Sequence[int]) -> int:
        batch = lm.batch([rows[i] for i in part])
        likely = lm.forward(batch).logits[:, :-1].float().log_softmax(-1)
        each = likely.gather(-1, batch.ids[:, 1:, None])[..., 0].double().cpu()  # (rows, tokens - 1)
        for row, index in enumerate(part):
            begin, end = len(prompts[index]) - 1, len(rows[index]) - 1
            values[index] = each[row, begin:end].mean().exp()
        return len(part)

    done = 0
    for group in bucketed([len(row) for row in rows]):
        for count in halving(group, run):
            done += count
            if progress:
                progress("answers", done, len(rows))
    return Observation(values, torch.ones(len(rows), dtype=torch.float64))


def score(before: Observation, after: Observation) -> Score:
    """Compare the mean probabilities."""
    return paired(before, after)
