"""Rows of facts from the edited token on: what every step of a search for values has to run, and no more.

What stands before the edited token can not change, so it is run once and its keys and values are cached; blocks below the
edited one are run once; of the vocabulary only what follows the scored tokens is computed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from torch import Tensor

from ...model.arch.anatomy import Site
from ...model.lm import LM
from ...model.run.fact_rows import Row
from ...model.run.tracing import Edit, resumed, trace
from ...numerics.divergence import kl_divergence
from ...patch.runtime.hooks import hook
from .beginnings import beginnings


@dataclass(frozen=True, eq=False)
class Problem:
    """Some rows of some facts, the edited token first.

    Attributes:
        ids: (rows, tokens + 1) the edited token and all behind it, padded on the right; the last is predicted, never read.
        mask: (rows, before + tokens).
        cache: keys and values of the tokens before, (rows, heads, before, d_head) in each block.
        states: (rows, tokens, d_model) what the edited block reads.
        scored: (rows, tokens) which predictions are counted.
        base: (scored predictions of essences, vocabulary) log-probabilities of the unedited model, row after row.
        owner: (rows,) fact of each row.
        context: (rows,) which of the fact's contexts a row is; -1, -2 ... for its essences.
    """

    ids: Tensor
    mask: Tensor
    cache: Any
    states: Tensor
    scored: Tensor
    base: Tensor
    owner: Tensor
    context: Tensor

    @classmethod
    def of(cls, lm: LM, rows: list[list[Row]], prompts: int, layer: int) -> Problem:
        """Run rows once, unedited: first what stands before the edited token, then the rest.

        Args:
            lm: the model.
            rows: of each fact.
            prompts: how many of them, the first ones, are prompts with the target; the others are essences.
            layer: the edited block.
        """
        flat = [row for fact_rows in rows for row in fact_rows]
        rest = lm.batch([row.ids[row.at :] for row in flat])
        begins = torch.tensor([row.begin - row.at for row in flat], device=lm.device)
        scored = (torch.arange(1, rest.ids.shape[1], device=lm.device) >= begins[:, None]) & rest.mask[:, 1:].bool()
        numbers = [i if i < prompts else prompts - i - 1 for fact_rows in rows for i in range(len(fact_rows))]
        owner = torch.tensor([index for index, fact_rows in enumerate(rows) for _ in fact_rows], device=lm.device)
        entry = Site(layer, "residual.in")
        with torch.no_grad():
            cache, before = _read(lm, [row.ids[: row.at] for row in flat], numbers)
            mask = torch.cat([before, rest.mask[:, :-1]], dim=1)
            with trace(lm, [entry], stop=True) as states:
                _log_probabilities(lm, rest.ids, mask, cache, scored)
        unknown = torch.zeros(0, len(lm.model.get_output_embeddings().weight), device=lm.device)
        context = torch.tensor(numbers, device=lm.device)
        whole = cls(rest.ids, mask, cache, states[entry], scored, unknown, owner, context)
        return replace(whole, base=whole._base(lm, layer))

    @torch.no_grad()
    def _base(self, lm: LM, layer: int) -> Tensor:
        """Return `base`: of what is not compared with the unedited model, the blocks from the edited one on are not run."""
        essences = self.context < 0
        if not bool(essences.any()):
            return self.base
        cache = _copied(self.cache)
        cache.batch_select_indices(essences.nonzero()[:, 0])
        with resumed(lm, layer, self.states[essences]):
            return _log_probabilities(lm, self.ids[essences], self.mask[essences], cache, self.scored[essences])

    def part(self, chosen: Tensor) -> Problem:
        """Return some of the rows, (rows,) of bool; the facts keep their numbers."""
        if bool(chosen.all()):
            return self
        cache = _copied(self.cache)
        cache.batch_select_indices(chosen.nonzero()[:, 0])
        essences = self.scored[self.context < 0].nonzero()[:, 0]  # row of each line of `base`, among the essences
        base = self.base[chosen[self.context < 0][essences]]
        ids, mask, states, scored, owner, context = (
            tensor[chosen] for tensor in (self.ids, self.mask, self.states, self.scored, self.owner, self.context)
        )
        return Problem(ids, mask, cache, states, scored, base, owner, context)

    def losses(self, lm: LM, layer: int, edits: Mapping[Site, Edit]) -> Tensor:
        """Return the loss of each row with some sites edited: (rows,).

        That is the mean over its scored tokens of -log P for a prompt, of KL(base || edited) for an essence.
        """
        with resumed(lm, layer, self.states), trace(lm, edit=edits):
            likely = _log_probabilities(lm, self.ids, self.mask, self.cache, self.scored)
        rows = self.scored.nonzero()[:, 0]
        essence = (self.context < 0)[rows]
        target_nll = -likely[~essence].gather(-1, self.ids[:, 1:][self.scored][~essence][:, None])[:, 0]
        kl_to_base = kl_divergence(self.base, likely[essence])
        total = torch.zeros(len(self.ids), device=likely.device)
        total = total.index_add(0, rows[~essence], target_nll).index_add(0, rows[essence], kl_to_base)
        return total / self.scored.sum(1)


def _read(lm: LM, rows: Sequence[Sequence[int]], groups: Sequence[int]) -> tuple[Any, Tensor]:
    """Return what stands before the edited tokens as a cache, and its mask (rows, before); what rows share is run once.

    Rows of one group begin with the same tokens, those of a context; and a row may be the beginning of another.

    Args:
        lm: the model.
        rows: token ids, maybe none.
        groups: of each row.
    """
    trunks: dict[int, list[int]] = {}
    for row, group in zip(rows, groups, strict=True):
        trunk = trunks.get(group, list(row))
        same = next((i for i, (a, b) in enumerate(zip(trunk, row, strict=False)) if a != b), min(len(trunk), len(row)))
        trunks[group] = trunk[:same]
    tails = [tuple(row[len(trunks[group]) :]) for row, group in zip(rows, groups, strict=True)]
    longest, stands = beginnings([(group, *tail) for group, tail in zip(groups, tails, strict=True)])
    names = list(trunks)
    cache = transformers.DynamicCache(config=lm.model.config)
    mask = _append(lm, cache, [trunks[name] for name in names], torch.zeros(len(names), 0, device=lm.device))
    chosen = torch.tensor([names.index(row[0]) for row in longest], device=lm.device)
    cache.batch_select_indices(chosen)
    trunk_size = mask.shape[1]
    mask = _append(lm, cache, [row[1:] for row in longest], mask[chosen])
    chosen = torch.tensor(stands, device=lm.device)
    cache.batch_select_indices(chosen)
    sizes = torch.tensor([len(tail) for tail in tails], device=lm.device)
    mask = mask[chosen]
    mask[:, trunk_size:] *= torch.arange(mask.shape[1] - trunk_size, device=lm.device) < sizes[:, None]
    return cache, mask


def _append(lm: LM, cache: Any, rows: Sequence[Sequence[int]], mask: Tensor) -> Tensor:  # noqa: ANN401 - a cache
    """Run more tokens of rows into a cache, padded on the right, and return the mask of all it then holds."""
    if not any(rows):
        return mask
    batch = lm.batch(rows)
    mask = torch.cat([mask.to(batch.mask), batch.mask], dim=1)
    places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -batch.ids.shape[1] :]
    lm.backbone(input_ids=batch.ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
    return mask


def _log_probabilities(lm: LM, ids: Tensor, mask: Tensor, cache: Any, scored: Tensor) -> Tensor:  # noqa: ANN401 - a cache
    """Return the log-probabilities behind the scored tokens, row after row: (scored predictions, vocabulary)."""
    places = (mask.cumsum(-1) - 1).clamp(min=0)[:, 1 - ids.shape[1] :]
    undo = hook(lm.model.get_output_embeddings(), "input", lambda states: states[scored][None])
    try:
        output = lm.model(
            input_ids=ids[:, :-1],
            attention_mask=mask,
            position_ids=places,
            past_key_values=_copied(cache),
            use_cache=True,
        )
    finally:
        undo()
    likely: Tensor = output.logits[0].float().log_softmax(-1)
    return likely


def _copied(cache: Any) -> Any:  # noqa: ANN401 - a transformers cache
    """Return a cache that may grow or shrink without changing this one; the tensors are shared, never written."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin
