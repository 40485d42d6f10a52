"""Pooled activations of labelled texts: one pass, only as deep as needed, no vocabulary, memory set by the result alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.examples import Labelled
from ...text.heard import tell
from ...text.phase import Progress
from ..arch.anatomy import Site
from ..lm import LM, Batch, bucketed, halving
from .pooling import Pool, StateLengths, averaging, spanned
from .tracing import trace


@dataclass(frozen=True, eq=False)
class Weights:
    """How much of each token is read.

    Attributes:
        tokens: (batch, tokens), rows sum to 1.
        alone: (batch, 1) bool, texts that are nothing but sinks, of which a shorter state is read; None where there are none.
    """

    tokens: Tensor
    alone: Tensor | None

    @classmethod
    def of(cls, batch: Batch, first: Sequence[int], sinks: Tensor) -> Weights:
        """Return the weights with some sinks; see `averaging`."""
        tokens = averaging(batch, first, sinks)
        alone = ((tokens > 0) & sinks).any(1, keepdim=True)
        return cls(tokens, alone if bool(alone.any()) else None)

    def same(self, other: Weights) -> bool:
        """Return whether both read the same."""
        if self.alone is None or other.alone is None:
            return self.alone is other.alone and torch.equal(self.tokens, other.tokens)
        return torch.equal(self.alone, other.alone) and torch.equal(self.tokens, other.tokens)


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
        pool: "mean" over all tokens but start token and sinks (whose norm would drown the rest, see `pooling`); "mean_with_bos"
            over all, as the Model Surgery paper's code does; "last" token; "response": mean over the answer of a chat, where
            there is no prompt as "mean"; "decision": the last token before the answer, where it is still open. For a last token
            that is a sink the nearest before it is read.
        max_tokens: cut longer texts.
        back: read this many tokens earlier ("last", "decision") or leave out this many at the end (the means).
        see: what is pooled, as a function of the states (batch, tokens, d); by default they themselves.
        progress: called with ("texts", texts finished, of).
    """
    rows, spans = spanned(lm, examples, pool, max_tokens, back)
    usual = None if pool == "mean_with_bos" else StateLengths.of(lm)
    result = torch.zeros(0)

    def run(part: Sequence[int]) -> int:
        nonlocal result
        captures = _pooled(lm, lm.batch([rows[i] for i in part]), [spans[i] for i in part], sites, usual, see)
        if not len(result):
            result = torch.zeros(len(rows), len(sites), captures[sites[0]].shape[1])
        # Written at once: pieces kept between the activations of many batches would pin these in the allocator's heap.
        for place, site in enumerate(sites):
            result[list(part), place] = captures[site]
        return len(part)

    done, advanced = 0, progress or tell
    advanced("texts", 0, len(rows))
    for group in bucketed([len(row) for row in rows]):
        for count in halving(group, run):
            done += count
            advanced("texts", done, len(rows))
    return result


def _pooled(
    lm: LM,
    batch: Batch,
    first: Sequence[int],
    sites: Sequence[Site],
    usual: StateLengths | None,
    see: Callable[[Tensor], Tensor] | None,
) -> dict[Site, Tensor]:
    """Return the pooled states of a batch, (batch, d) by site, without keeping the states themselves.

    A block is pooled before a later one shows which positions are sinks, so these are guessed; where the guess was wrong, the
    batch is run once more. It is nearly always right, and what is returned does not depend on it.
    """
    if usual is None:
        return _pass(lm, batch, Weights(averaging(batch, first), None), sites, None, see)[0]
    sinks = usual.guess(batch.mask)
    captures, seen = _pass(lm, batch, guessed := Weights.of(batch, first, sinks), sites, usual, see)
    right = Weights.of(batch, first, seen)
    return captures if right.same(guessed) else _pass(lm, batch, right, sites, usual, see)[0]


def _pass(
    lm: LM,
    batch: Batch,
    weights: Weights,
    sites: Sequence[Site],
    usual: StateLengths | None,
    see: Callable[[Tensor], Tensor] | None,
) -> tuple[dict[Site, Tensor], Tensor]:
    """Return pooled states by site, and the sinks that were seen on the way."""

    def pooled(site: Site, states: Tensor, length: Tensor | None) -> Tensor:
        values, factors = states.float() if see is None else see(states.float()), weights.tokens.to(states.device)
        if usual and weights.alone is not None and length is not None:
            factors = torch.where(weights.alone.to(states.device), factors * usual.shortened(site, length), factors)
        return torch.einsum("bt,btd->bd", factors, values).cpu()

    if usual is None:
        with trace(lm, sites, keep=lambda states: pooled(sites[0], states, None), stop=True) as captures:
            lm.forward(batch, head=False)
        return captures, torch.zeros_like(batch.mask, dtype=torch.bool)
    with usual.traced(lm, sites, pooled) as (captures, lengths):
        lm.forward(batch, head=False)
    return captures, usual.sinks(lengths, batch.mask)
