"""Which tokens of a text are read when its states are pooled, and how they are weighted. Decided here for all that read.

Left out of every mean are start tokens and sinks: positions whose state is of massive length in some block (Sun et al. 2024,
"Massive Activations in Large Language Models"; Xiao et al. 2024, "Efficient Streaming Language Models with Attention Sinks").
A sink says where attention rests, not what the text says, and one of them outweighs all the other tokens of its text. Most
models have it at their first position, with or without a start token; some at a later one, or at the first stop or line break.

    sink(t)  <=>  |h_l,t| > limit_l in some block l that is read or passed through       limit_l: see `suture.numerics.outliers`

What is ordinary is read from a few texts of our own, not from those being pooled: the answer for a text does not depend on the
texts beside it, and a text of one token, which is its own sink, is known for one. Sinks are seen in the residual stream alone:
behind a norm all states are of like length.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...data.examples import Labelled
from ...numerics import outliers
from ..arch.anatomy import FINAL, Site
from ..lm import LM, Batch
from .context import context
from .tracing import Edit, trace

Pool = Literal["mean", "mean_with_bos", "last", "response", "decision"]
# Plain text of several kinds, long enough that first tokens and first stops are few among the positions.
ORDINARY = (
    "The train left the station a little after nine, and by noon we had reached the coast. It was raining there, so we"
    " sat in a small cafe near the harbour and talked about the summer.",
    "Most of the work is done in the morning. People come in early, read what has changed since the day before, and plan"
    " the rest of the week.\nIn the afternoon there is less to do: a few letters, a call or two, and some reading.",
    "To make the soup, cut two onions and three carrots into small pieces. Fry them in a little oil until they are soft;"
    " then add water, salt and a bay leaf, and let it all cook for about half an hour.",
)


@dataclass(frozen=True, eq=False)
class StateLengths:
    """How long the states of a model are, block by block, and from which length on a position is a sink.

    Attributes:
        typical: (layers,) float32, median length of the states behind each block.
        limits: (layers,) float32, length above which a state is a sink's.
        places: positions at which every text had a sink, a guess of where others have theirs.
    """

    typical: Tensor
    limits: Tensor
    places: tuple[int, ...]

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LM) -> StateLengths:
        """Read what is ordinary in a model as it is now: one pass over ORDINARY, about 130 tokens."""
        rows = [lm.encode(text)[: context(lm)] for text in ORDINARY]
        batch = lm.batch([row or [0] for row in rows])
        sites = [Site(layer, "residual") for layer in range(lm.anatomy.layers)]
        with trace(lm, sites, keep=lambda states: outliers.lengths(states).to(lm.device), stop=True) as by_site:
            lm.forward(batch, head=False)
        lengths, real = torch.stack([by_site[site] for site in sites]), batch.mask.bool()  # (layers, texts, tokens)
        flat = lengths[:, real]  # (layers, real tokens)
        limits = outliers.outlier_limit(flat, torch.ones_like(flat, dtype=torch.bool))
        sinks = (lengths > limits[:, None, None]).any(0) & real
        everywhere = (sinks | ~real).all(0) & real.any(0)
        return cls(flat.median(1).values, limits, tuple(everywhere.nonzero().flatten().tolist()))

    def watched(self, sites: Sequence[Site]) -> list[int]:
        """Return the blocks whose output is known when some sites are read: none is run for this alone."""
        deepest = len(self.limits) if FINAL in sites else max((site.layer for site in sites), default=0)
        behind = {site.layer for site in sites if site.part == "residual"}
        return [layer for layer in range(len(self.limits)) if layer < deepest or layer in behind]

    @contextmanager
    def traced(
        self, lm: LM, sites: Sequence[Site], keep: Callable[[Site, Tensor, Tensor | None], Tensor] | None = None
    ) -> Iterator[tuple[dict[Site, Tensor], dict[int, Tensor]]]:
        """Run the model as `trace` does with `stop`, and note how long the states are on the way.

        Args:
            lm: the model.
            sites: where to read.
            keep: what to keep of the states at a site, and of their lengths where it is a block's output; all by default.

        Yields:
            What was kept by site, and the lengths (batch, tokens) by block; both filled as the model runs.
        """
        lengths: dict[int, Tensor] = {}
        watched = self.watched(sites)
        behind = [Site(layer, "residual") for layer in watched]

        def keeping(site: Site) -> Edit:
            def look(states: Tensor) -> Tensor:
                length = None
                if site.part == "residual" and site.layer in watched:
                    length = lengths[site.layer] = outliers.lengths(states)
                if site not in sites:
                    return states.new_zeros(0)
                return states if keep is None else keep(site, states, length)

            return look

        every = list(dict.fromkeys((*sites, *behind)))
        with trace(lm, every, keep={site: keeping(site) for site in every}, stop=True) as by_site:
            yield by_site, lengths

    def sinks(self, lengths: dict[int, Tensor], mask: Tensor) -> Tensor:
        """Return the sinks among the tokens of a mask, from their lengths in the blocks watched: (batch, tokens) bool."""
        sinks = torch.zeros_like(mask, dtype=torch.bool)
        for layer, length in lengths.items():
            sinks |= (length > self.limits[layer].to(length.device)).to(mask.device)
        return sinks & mask.bool()

    def guess(self, mask: Tensor) -> Tensor:
        """Return where sinks are likely before anything is read: (batch, tokens) bool."""
        places = (mask.cumsum(1) - 1).masked_fill(mask == 0, -1)
        return torch.isin(places, torch.tensor(self.places, device=mask.device, dtype=places.dtype))

    def shortened(self, site: Site, length: Tensor) -> Tensor:
        """Return factors that bring states down to the typical length of their block, where they are longer: as `length`."""
        return (float(self.typical[site.layer]) / length.clamp(min=1e-30)).clamp(max=1.0)


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


def averaging(batch: Batch, first: Sequence[int], sinks: Tensor | None = None) -> Tensor:
    """Return averaging weights over the tokens from `first` on: (batch, tokens), rows sum to 1.

    Args:
        batch: the texts.
        first: the first token of each that counts.
        sinks: (batch, tokens) bool, left out. Where nothing else is left the nearest token before it that is none is read, and
            in a text that is all sinks they themselves.
    """
    columns = torch.arange(batch.mask.shape[1], device=batch.mask.device)
    chosen = batch.mask * (columns >= torch.tensor(list(first), device=batch.mask.device)[:, None])
    if sinks is not None and bool(sinks.any()):
        ordinary = batch.mask * ~sinks
        before = (
            columns * ordinary == (columns * ordinary).amax(1, keepdim=True)
        ) * ordinary  # the last ordinary token
        left = chosen * ordinary
        chosen = torch.where(left.any(1, keepdim=True), left, torch.where(before.any(1, keepdim=True), before, chosen))
    return chosen.float() / chosen.sum(1, keepdim=True)


def content(lm: LM, batch: Batch, sinks: Tensor) -> Tensor:
    """Return the tokens that carry text: neither padding nor start token nor sink, (batch, tokens) bool."""
    return batch.mask.bool() & (batch.ids != lm.tokenizer.bos_token_id) & ~sinks
