"""What an edit does to harmless requests that it was not trained on: how many it refuses, and how far first words moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...judges.refusal import Refusal
from ...model.lm import LM
from ...numerics.divergence import kl_divergence
from ...patch.patch import Patch
from .harmless import Answered, answered


def over_refusal(lm: LM, patch: Patch, pairs: Sequence[Answered]) -> dict[str, Any]:
    """Return how harmless requests are answered with a patch, freely and greedily, and how they were.

    Args:
        lm: the base.
        patch: the edit.
        pairs: requests with the base's own answers.

    Returns:
        `checked` requests, how many of them are `refused` and were `refused_before`, and `first_token`, the mean KL in nats
        from base to edited at the first token of the answers.
    """
    requests, judge = [request for request, _ in pairs], Refusal()
    base = _first(lm, requests)
    with patch.used(lm):
        after = dict(answered(lm, requests))
        moved = float(kl_divergence(base, _first(lm, requests)).mean()) if requests else 0.0
    return {
        "checked": len(pairs),
        "refused_before": sum(judge(request, answer) == "refused" for request, answer in pairs),
        "refused": sum(judge(request, after.get(request, "")) == "refused" for request in requests),
        "first_token": round(moved, 6),
    }


def summary(patch: Patch) -> str:
    """Return what a patch knows of harmless requests, as one line; "" where it was not checked."""
    figures = patch.provenance.settings.get("harmless", {})
    if not isinstance(figures, dict) or "checked" not in figures:
        return ""
    return (
        f"harmless requests it was not trained on: {figures['refused']} of {figures['checked']} refused, "
        f"{figures['refused_before']} before; first word of the answer moved by {figures['first_token']:.3g} nats"
    )


@torch.no_grad()
def _first(lm: LM, requests: Sequence[str]) -> Tensor:
    """Return log-probabilities of the first token of each answer: (requests, vocabulary) float32."""
    rows = []
    for ids in lm.encode_prompts(list(requests), chat=True):
        rows.append(lm.forward(lm.batch([ids])).logits[0, -1].float().log_softmax(-1))
    return torch.stack(rows) if rows else torch.zeros(0)
