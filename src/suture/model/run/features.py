"""Pooled activations of labelled texts: one pass, only as deep as needed, no vocabulary, memory set by the result alone."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ...data.examples import Labelled
from ...text.heard import tell
from ...text.phase import Progress
from ..arch.anatomy import Site
from ..lm import LM, Batch, bucketed, halving
from .tracing import trace

Pool = Literal["mean", "mean_with_bos", "last", "response", "decision"]


@torch.no_grad()
def extract(
    lm: LM,
    examples: Sequence[Labelled],
    sites: Sequence[Site],
    *,
    pool: Pool = "response",
    max_tokens: int | None = None,
    back: int = 0,
    see: Callable[[Tensor], Tensor] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Return the features of each example at each site: (examples, sites, d) float32 on the CPU.

    Args:
        lm: the model.
        examples: texts; one with a prompt is written with the chat template.
        sites: where to read; the forward pass ends at the deepest.
        pool: "mean" over all tokens but the start token (whose norm would drown the rest); "mean_with_bos" over all,
            as the Model Surgery paper's code does; "last" token; "response": mean over the answer of a chat, all tokens but the
            start token where there is no prompt; "decision": the last token before the answer, where it is still open.
        max_tokens: cut longer texts.
        back: read this many tokens earlier ("last", "decision") or leave out this many at the end (the means).
        see: what is pooled, as a function of the states (batch, tokens, d); by default they themselves.
        progress: called with ("texts", texts finished, of).
    """
    rows, spans = spanned(lm, examples, pool, max_tokens, back)
    result = torch.zeros(0)

    def run(part: Sequence[int]) -> int:
        batch = lm.batch([rows[i] for i in part])
        weights = averaging(batch, [spans[i] for i in part])

        def pooled(states: Tensor) -> Tensor:
            values = states.float() if see is None else see(states.float())
            return torch.einsum("bt,btd->bd", weights.to(states.device), values).cpu()

        nonlocal result
        with trace(lm, sites, keep=pooled, stop=True) as captures:
            lm.forward(batch, head=False)
        if not len(result):
            result = torch.zeros(len(rows), len(sites), captures[sites[0]].shape[1])
        # Written at once: pieces kept between the activations of many batches would pin these in the allocator's heap.
        for place, site in enumerate(sites):
            result[list(part), place] = captures[site]
        return len(part)

    done = 0
    for group in bucketed([len(row) for row in rows]):
        for count in halving(group, run):
            done += count
            (progress or tell)("texts", done, len(rows))
    return result


def spanned(
    lm: LM, examples: Sequence[Labelled], pool: Pool, max_tokens: int | None = None, back: int = 0
) -> tuple[list[array[int]], list[int]]:
    """Return the ids of each example, four bytes each, and the first token that is averaged, see `extract`."""
    rows, spans = [], []
    for example in examples:
        ids, begin = token_ids(lm, example)
        skip = 1 if ids[:1] == [lm.tokenizer.bos_token_id] and len(ids) > 1 else 0
        if pool == "decision" and begin:
            ids = ids[:begin]
        ids = ids[: max(1, len(ids) - back)]
        first = {
            "decision": len(ids) - 1,
            "mean": skip,
            "mean_with_bos": 0,
            "last": len(ids) - 1,
            "response": max(begin, skip),
        }[pool]
        ids = ids[:max_tokens]
        rows.append(array("i", ids))
        spans.append(min(first, len(ids) - 1))
    return rows, spans


def token_ids(lm: LM, example: Labelled) -> tuple[list[int], int]:
    """Return the ids of an example, and where its answer begins (0 for a plain text)."""
    if example.prompt is None:
        return lm.encode(example.text), 0
    return lm.encode_chat(example.prompt, example.text)


def averaging(batch: Batch, first: Sequence[int]) -> Tensor:
    """Return averaging weights over the tokens from `first` on: (batch, tokens), rows sum to 1."""
    columns = torch.arange(batch.mask.shape[1], device=batch.mask.device)
    chosen = batch.mask * (columns >= torch.tensor(list(first), device=batch.mask.device)[:, None])
    return chosen.float() / chosen.sum(1, keepdim=True)
