"""How well a model knows answers it is asked to learn: perplexity of their tokens behind their requests.

value = mean_t -log P(answer_t | request, answer_<t);   the score is its exponential
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..model.lm import LM, bucketed, halving
from ..model.run.batches import tokens_with_logits
from ._metric import metric
from ._score import Observation, Progress, Score, paired
from .completion import Cases


def score(before: Observation, after: Observation) -> Score:
    """Compare perplexities; the change is relative."""
    return paired(before, after, ratio=torch.exp)


@metric(score=score, unit="perplexity")
@torch.no_grad()
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Return the mean loss of each answer in the chat template, weighted by its tokens."""
    rows = [lm.encode_chat(prompt, answer) for prompt, answer in zip(cases.prompts, cases.answers, strict=True)]
    losses, counts = (torch.zeros(len(rows), dtype=torch.float64) for _ in range(2))

    def run(part: Sequence[int]) -> int:
        batch = lm.batch([rows[i][0] for i in part])
        logits = lm.forward(batch).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")
        places = torch.arange(1, batch.ids.shape[1], device=lm.device)
        starts = torch.tensor([rows[i][1] for i in part], device=lm.device)
        answer_mask = batch.mask[:, 1:] * (places >= starts[:, None])
        counts[list(part)] = answer_mask.sum(1).double().cpu()
        losses[list(part)] = ((loss * answer_mask).sum(1) / answer_mask.sum(1).clamp(min=1)).double().cpu()
        return len(part)

    done = 0
    for group in bucketed([len(ids) for ids, _ in rows], tokens_with_logits(int(lm.model.config.vocab_size))):
        for count in halving(group, run):
            done += count
            if progress:
                progress("answers", done, len(rows))
    return Observation(losses, counts)
