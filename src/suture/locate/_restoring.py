"""The clean and the corrupted runs of one prompt, and what restoring a state does.

Blocks below a restored state are not run again: what they put out in the corrupted run is kept. Nor are the tokens before
the subject, which noise does not reach. All tokens are restored in one batch. See `causal_trace` for the source.
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

from ..anatomy import EMBED, Site
from ..examples import Fact
from ..fact_rows import Row, encode
from ..lm import LM, Batch
from ..tracing import resumed, trace

Kind = Literal["state", "mlp", "attn"]
PARTS: dict[Kind, str] = {"state": "residual", "mlp": "mlp.out", "attn": "attn.out"}


@dataclass(frozen=True, eq=False)
class Runs:
    """The clean and the corrupted runs of one prompt, with their states.

    Attributes:
        batch: the prompt, once for each sample.
        before: keys and values of the tokens before the subject, as a cache of one row; None where there are none.
        clean: (1, those, d_model) by site, the tokens from the subject on.
        entry: (samples, those, d_model) what each block reads in the corrupted runs.
    """

    lm: LM
    fact: Fact
    row: Row
    answer: int
    batch: Batch
    before: Any
    clean: dict[Site, Tensor]
    entry: list[Tensor]
    high: float
    low: float

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LM, fact: Fact, samples: int, size: float, seed: int) -> Runs | None:
        """Run clean and corrupted; None when the model does not predict the target."""
        row, told = encode(lm, fact.prompt, fact.subject), encode(lm, fact.prompt, fact.subject, fact.target)
        answer = told.ids[told.begin]
        sites = [Site(layer, part) for layer in range(lm.anatomy.layers) for part in PARTS.values()]
        with trace(lm, sites) as clean:
            chances = lm.forward(lm.batch([row.ids])).logits[0, -1].float().softmax(-1)
        if int(chances.argmax()) != answer:
            return None
        batch = lm.batch([row.ids] * samples)
        entries = [Site(layer, "residual.in") for layer in range(lm.anatomy.layers)]
        with trace(lm, entries, edit={EMBED: noise(row, fact, samples, size, seed)}) as seen:
            low = lm.forward(batch).logits[:, -1].float().softmax(-1)[:, answer].mean()
        entry = [seen[site][:, row.first :] for site in entries]
        own = {site: state[:, row.first :] for site, state in clean.items()}
        return cls(lm, fact, row, answer, batch, _read(lm, row), own, entry, float(chances[answer]), float(low))

    @torch.no_grad()
    def restored(self, kind: Kind, window: int) -> Tensor:
        """Return the answer's probability with one state restored, for each token and block: (tokens, blocks).

        Args:
            kind: what is restored.
            window: blocks whose "attn" or "mlp" is restored together.
        """
        blocks = self.lm.anatomy.layers
        found = torch.full((len(self.row.ids), blocks), self.low)  # before the subject nothing is corrupted
        for layer in range(blocks):
            begin = max(0, layer - window // 2)
            end = min(blocks, layer - window // 2 + window)
            sites = [Site(i, PARTS[kind]) for i in range(begin, end)]
            found[self.row.first :, layer] = self._state(layer) if kind == "state" else self._modules(sites)
        return found

    @property
    def count(self) -> int:
        """Tokens from the subject on: those whose states are corrupted."""
        return len(self.row.ids) - self.row.first

    def _state(self, layer: int) -> Tensor:
        """Restore what a block puts out, at each token from the subject on: (those,). Only the blocks above it are run."""
        count, last = self.count, self.lm.anatomy.layers - 1
        if layer == last:  # nothing above mixes tokens any more
            return torch.tensor([self.low] * (count - 1) + [self.high])
        place = self._places()
        states = torch.where(place, self.clean[Site(layer, "residual")], self.entry[layer + 1].repeat(count, 1, 1))
        with resumed(self.lm, layer + 1, states):
            return self._chances()

    def _modules(self, sites: Sequence[Site]) -> Tensor:
        """Restore what some modules put out, at each token from the subject on: (those,)."""
        place, first = self._places(), sites[0].layer

        def put(site: Site) -> Callable[[Tensor], Tensor]:
            return lambda value: torch.where(place, self.clean[site], value)

        states = self.entry[first].repeat(self.count, 1, 1)
        with resumed(self.lm, first, states), trace(self.lm, edit={site: put(site) for site in sites}):
            return self._chances()

    def _places(self) -> Tensor:
        """Return which token is restored in which row, each in as many as there are samples: (rows, those, 1)."""
        chosen = torch.arange(self.count, device=self.lm.device).repeat_interleave(len(self.batch.ids))
        return torch.nn.functional.one_hot(chosen, self.count)[..., None].bool()

    def _chances(self) -> Tensor:
        """Run the prompt once for each restored token and sample; return the answer's probability by token."""
        count, first = self.count, self.row.first
        many = Batch(self.batch.ids.repeat(count, 1), self.batch.mask.repeat(count, 1))
        cache = copy.deepcopy(self.before)
        if cache is not None:
            cache.batch_repeat_interleave(len(many.ids))
        logits = self.lm.model(
            input_ids=many.ids[:, first:],
            attention_mask=many.mask,
            position_ids=many.positions[:, first:],
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=1,
        ).logits
        return logits[:, -1].float().softmax(-1)[:, self.answer].view(count, -1).mean(1).cpu()


def _read(lm: LM, row: Row) -> Any:  # noqa: ANN401 - a transformers cache
    """Return what stands before a subject as a cache; None where nothing does."""
    if not row.first:
        return None
    batch, cache = lm.batch([row.ids[: row.first]]), transformers.DynamicCache(config=lm.model.config)
    lm.backbone(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        past_key_values=cache,
        use_cache=True,
    )
    return cache


def noise(row: Row, fact: Fact, samples: int, size: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Return an edit that adds noise to the subject's embeddings, the same for the same prompt whatever else is traced."""
    key = hashlib.sha256(f"{seed} {fact.prompt}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))

    def corrupt(value: Tensor) -> Tensor:
        own = slice(row.first, row.last + 1)
        noise = torch.randn(samples, row.last + 1 - row.first, value.shape[-1], generator=generator)
        changed = value.clone()
        changed[:, own] += (size * noise).to(value)
        return changed

    return corrupt
