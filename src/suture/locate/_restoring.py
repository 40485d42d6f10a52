"""The clean and the corrupted runs of one prompt, and what restoring a state does.

Blocks below a restored state are not run again: what they put out in the corrupted run is kept. Nor are the tokens before
it, whose keys and values are kept, too; a few tokens are restored side by side, from the first of them on. See
`causal_trace` for the source.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers
from torch import Tensor

from ..data.examples import Fact
from ..model.arch.anatomy import EMBED, Site
from ..model.lm import LM, Batch
from ..model.run.fact_rows import Row, encode
from ..model.run.tracing import resumed, trace

TOGETHER = 4  # tokens restored in one batch: more run what need not be run, fewer do not fill it
Kind = Literal["state", "mlp", "attn"]
PARTS: dict[Kind, str] = {"state": "residual", "mlp": "mlp.out", "attn": "attn.out"}


@dataclass(frozen=True, eq=False)
class Runs:
    """The clean and the corrupted runs of one prompt, with their states.

    Attributes:
        batch: the prompt, once for each sample.
        clean: (1, tokens, d_model) by site.
        entry: (samples, tokens, d_model) what each block reads in the corrupted runs.
        cache: keys and values of the corrupted runs.
    """

    lm: LM
    fact: Fact
    row: Row
    answer: int
    batch: Batch
    clean: dict[Site, Tensor]
    entry: list[Tensor]
    cache: Any
    high: float
    low: float

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LM, fact: Fact, samples: int, size: float, seed: int) -> Runs | None:
        """Run clean and corrupted; None when the model does not predict the target."""
        row, with_target = encode(lm, fact.prompt, fact.subject), encode(lm, fact.prompt, fact.subject, fact.target)
        answer = with_target.ids[with_target.begin]
        sites = [Site(layer, part) for layer in range(lm.anatomy.layers) for part in PARTS.values()]
        with trace(lm, sites) as clean:
            chances = lm.forward(lm.batch([row.ids])).logits[0, -1].float().softmax(-1)
        if int(chances.argmax()) != answer:
            return None
        batch = lm.batch([row.ids] * samples)
        entries = [Site(layer, "residual.in") for layer in range(lm.anatomy.layers)]
        cache = transformers.DynamicCache(config=lm.model.config)
        with trace(lm, entries, edit={EMBED: noise(row, fact, samples, size, seed)}) as states:
            low = _run(lm, batch, 0, cache)[:, answer].mean()
        entry = [states[site] for site in entries]
        return cls(lm, fact, row, answer, batch, clean, entry, cache, float(chances[answer]), float(low))

    @torch.no_grad()
    def restored(self, kind: Kind, window: int) -> Tensor:
        """Return the answer's probability with one state restored, for each token and block: (tokens, blocks).

        Args:
            kind: what is restored.
            window: blocks whose "attn" or "mlp" is restored together.
        """
        blocks = self.lm.anatomy.layers
        chances = torch.full((len(self.row.ids), blocks), self.low)  # before the subject nothing is corrupted
        for layer in range(blocks):
            begin = max(0, layer - window // 2)
            end = min(blocks, layer - window // 2 + window)
            sites = [Site(i, PARTS[kind]) for i in range(begin, end)]
            for first in range(self.row.first, len(chances), TOGETHER):
                tokens = range(first, min(first + TOGETHER, len(chances)))
                values = self._state(layer, tokens) if kind == "state" else self._modules(sites, tokens)
                chances[tokens.start : tokens.stop, layer] = values
        return chances

    def _state(self, layer: int, tokens: range) -> Tensor:
        """Restore what a block puts out, at each of some tokens: (tokens,). Only the blocks above it are run."""
        length, last = len(self.row.ids), self.lm.anatomy.layers - 1
        if layer == last:  # nothing above mixes tokens any more
            return torch.tensor([self.high if token == length - 1 else self.low for token in tokens])
        clean = self.clean[Site(layer, "residual")][:, tokens.start :]
        states = torch.where(self._places(tokens), clean, self._corrupted(layer + 1, tokens))
        with resumed(self.lm, layer + 1, states):
            return self._chances(tokens)

    def _modules(self, sites: Sequence[Site], tokens: range) -> Tensor:
        """Restore what some modules put out, at each of some tokens: (tokens,)."""
        place, first = self._places(tokens), sites[0].layer

        def put(site: Site) -> Callable[[Tensor], Tensor]:
            return lambda value: torch.where(place, self.clean[site][:, tokens.start :], value)

        edits = {site: put(site) for site in sites}
        with resumed(self.lm, first, self._corrupted(first, tokens)), trace(self.lm, edit=edits):
            return self._chances(tokens)

    def _corrupted(self, layer: int, tokens: range) -> Tensor:
        """Return what a block reads in the corrupted runs, once for each token: (rows, those from the first on, d_model)."""
        return self.entry[layer][:, tokens.start :].repeat(len(tokens), 1, 1)

    def _places(self, tokens: range) -> Tensor:
        """Return which token is restored in which row, each in as many as there are samples: (rows, those, 1)."""
        chosen = torch.arange(len(tokens), device=self.lm.device).repeat_interleave(len(self.batch.ids))
        return torch.nn.functional.one_hot(chosen, len(self.row.ids) - tokens.start)[..., None].bool()

    def _chances(self, tokens: range) -> Tensor:
        """Run the prompt from the first of some tokens on, once for each and each sample: the answer's probability, (tokens,)."""
        count, cache = len(tokens), copy.deepcopy(self.cache)
        if tokens.start:
            cache.crop(tokens.start - len(self.row.ids))
            cache.batch_select_indices(torch.arange(len(self.batch.ids), device=self.lm.device).repeat(count))
        else:
            cache = transformers.DynamicCache(config=self.lm.model.config)
        many = Batch(self.batch.ids.repeat(count, 1), self.batch.mask.repeat(count, 1))
        return _run(self.lm, many, tokens.start, cache)[:, self.answer].view(count, -1).mean(1).cpu()


def _run(lm: LM, batch: Batch, first: int, cache: Any) -> Tensor:  # noqa: ANN401 - a transformers cache
    """Run the tokens from `first` on behind a cache of those before, and return the last one's chances: (rows, vocabulary)."""
    logits = lm.model(
        input_ids=batch.ids[:, first:],
        attention_mask=batch.mask,
        position_ids=batch.positions[:, first:],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    chances: Tensor = logits[:, -1].float().softmax(-1)
    return chances


def noise(row: Row, fact: Fact, samples: int, size: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Return an edit that adds noise to the subject's embeddings, the same for the same prompt whatever else is traced."""
    key = hashlib.sha256(f"{seed} {fact.prompt}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))

    def corrupt(value: Tensor) -> Tensor:
        subject = slice(row.first, row.last + 1)
        noise = torch.randn(samples, row.last + 1 - row.first, value.shape[-1], generator=generator)
        changed = value.clone()
        changed[:, subject] += (size * noise).to(value)
        return changed

    return corrupt
