"""Requests with answers as one batch, and the losses that are means over the tokens of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...model.lm import LM, Batch
from ...numerics.divergence import kl_divergence


@dataclass(frozen=True)
class Answers:
    """Requests with answers as one padded batch.

    Attributes:
        batch: of requests and answers.
        scored: 1 at the tokens of the answers, (rows, kept), of the last tokens of the batch: from where the first answer begins.
        prompts: ids of the requests.
    """

    batch: Batch
    scored: Tensor
    prompts: list[list[int]]

    @classmethod
    def of(cls, lm: LM, pairs: Sequence[tuple[str, str]]) -> Answers:
        """Write the pairs in the chat template; an answer without a token counts as nothing."""
        coded = [lm.encode_chat(request, answer) for request, answer in pairs]
        batch = lm.batch([ids for ids, _ in coded])
        begins = torch.tensor([begin for _, begin in coded], device=lm.device)
        places = torch.arange(batch.ids.shape[1], device=lm.device)
        scored = (places >= begins[:, None]).float() * batch.mask
        first = min(max(1, min(begin for _, begin in coded)), batch.ids.shape[1] - 1)
        return cls(batch, scored[:, first:], [ids[:begin] for ids, begin in coded])

    def likely(self, lm: LM) -> Tensor:
        """Return log-probabilities of the tokens that `scored` is of, and of those alone: (rows, kept, vocabulary) float32."""
        kept = self.scored.shape[1] + 1  # the token before the first answer foretells it
        batch = self.batch
        logits = lm.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=kept,
        ).logits
        return logits[:, -kept:-1].float().log_softmax(-1)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over rows of the mean over the tokens of their answers; values: (rows, kept)."""
        return ((values * self.scored).sum(1) / self.scored.sum(1).clamp(min=1)).mean()

    def loss(self, likely: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of the answers."""
        ids = self.batch.ids[:, -self.scored.shape[1] :, None]
        return self.mean(-likely.gather(-1, ids)[..., 0])

    def kl_to_base(self, base: Tensor, now: Tensor) -> Tensor:
        """Return the mean KL from base to edited; both as `likely` returns them."""
        return self.mean(kl_divergence(base, now))
