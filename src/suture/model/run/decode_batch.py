"""Rows that a model continues token by token, side by side; rows may join and leave between two steps.

    batch, logits = DecodeBatch.begin(lm, prompts)   reads the prompts: (rows, vocabulary)
    logits = batch.step(lm, tokens)                  reads one more token of each row: (rows,) -> (rows, vocabulary)
    batch = batch.extend(other);  batch = batch.select(rows)
Rows are padded on the left, positions are counted from the first real token, so a row's logits are those it has alone. What an
attached patch knows of its rows (`Strength.read`) moves with them only if the caller moves it (`MultiPatch.recall`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from ...errors import UnsupportedModel
from ..lm import LM
from .context import context


@dataclass
class DecodeBatch:
    """The rows as they stand.

    Attributes:
        mask: (rows, tokens) 1 on real tokens; the last column is that of the token read last.
        cache: keys and values of each block, (rows, heads, tokens, d).
    """

    mask: Tensor
    cache: Any

    @classmethod
    def begin(cls, lm: LM, prompts: Sequence[Sequence[int]], *, movable: bool = False) -> tuple[DecodeBatch, Tensor]:
        """Read prompts and return their rows and the logits behind each, (rows, vocabulary).

        Args:
            lm: the model.
            prompts: one list of ids a row.
            movable: keep a cache whose rows can join and leave. Without, the model chooses its own, which may be smaller.
        """
        batch = lm.batch(prompts, side="left")
        flow = cls(batch.mask, DynamicCache() if movable else None)
        return flow, flow._pass(lm, batch.ids, batch.positions)

    def step(self, lm: LM, tokens: Tensor) -> Tensor:
        """Read one token more of each row, (rows,), and return the logits behind it, (rows, vocabulary).

        Where it fails, the rows of a movable flow stand as before.
        """
        before = self.mask
        self.mask = torch.cat([before, torch.ones_like(before[:, :1])], dim=1)
        try:
            # A row that has ended may be carried past the last position of a model that has so many.
            positions, limit = self.mask.sum(1, keepdim=True) - 1, context(lm)
            return self._pass(lm, tokens[:, None], positions if limit is None else positions.clamp(max=limit - 1))
        except BaseException:
            self.mask = before
            if isinstance(self.cache, DynamicCache):
                self._cut()
            raise

    def extend(self, other: DecodeBatch) -> DecodeBatch:
        """Return these rows and, behind them, those of another flow; both are used up.

        Where it fails, for want of memory say, these rows stand as before.
        """
        mine, theirs = self._layers(), other._layers()
        longest = max(self.mask.shape[1], other.mask.shape[1])
        try:
            for layer, more in zip(mine, theirs, strict=True):
                layer.keys, layer.values = (
                    torch.cat([_padded(a, longest, -2), _padded(b, longest, -2)])
                    for a, b in ((layer.keys, more.keys), (layer.values, more.values))
                )
            self.mask = torch.cat([_padded(self.mask, longest, 1), _padded(other.mask, longest, 1)])
        except BaseException:
            self._cut(left=True)
            raise
        return self

    def select(self, rows: Tensor) -> DecodeBatch:
        """Return some rows, given by their numbers (kept,), without the padding they share; the flow is used up."""
        mask = self.mask[rows]
        first = int(mask.any(0).int().argmax())
        for layer in self._layers():
            layer.keys, layer.values = layer.keys[rows, :, first:], layer.values[rows, :, first:]
        self.mask = mask[:, first:]
        return self

    def _pass(self, lm: LM, ids: Tensor, positions: Tensor) -> Tensor:
        # The last states by their number: as a slice they lie apart in memory, and the head would take them one row at a time.
        output = lm.model(
            input_ids=ids, attention_mask=self.mask, position_ids=positions, past_key_values=self.cache, use_cache=True,
            logits_to_keep=torch.tensor([ids.shape[1] - 1], device=ids.device),
        )  # fmt: skip
        self.cache = output.past_key_values
        logits: Tensor = output.logits[:, -1]
        return logits

    def _cut(self, left: bool = False) -> None:
        """Take from every layer what the mask knows nothing of: rows, and tokens behind the last, or before the first."""
        rows, tokens = self.mask.shape
        for layer in self._layers():
            first = layer.keys.shape[-2] - tokens if left else 0
            span = slice(first, first + tokens)
            layer.keys, layer.values = layer.keys[:rows, :, span], layer.values[:rows, :, span]

    def _layers(self) -> list[Any]:
        layers = getattr(self.cache, "layers", [])
        if not layers or any(type(layer) is not DynamicLayer or not layer.is_initialized for layer in layers):
            raise UnsupportedModel(
                "rows of this model can not join and leave a batch",
                why="Its cache is not keys and values of each token in each block.",
                fix="Generate whole batches: suture.model.run.generation.generate",
            )
        return list(layers)


def _padded(tensor: Tensor, length: int, axis: int) -> Tensor:
    """Return a tensor with zeros before it along an axis, up to a length."""
    missing = length - tensor.shape[axis]
    if missing <= 0:
        return tensor
    shape = list(tensor.shape)
    shape[axis] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=axis)
