"""How strongly an attached patch acts: one strength, or one for each row of a batch. May be changed between passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...errors import UsageError


@dataclass(frozen=True, eq=False)
class PromptState:
    """What the pass over the prompts found out for each row, which the passes that continue them go by.

    Attributes:
        lengths: tokens of each row's prompt, (rows,).
        open: for each condition the rows it holds for, (rows,) bool.
    """

    lengths: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    open: Mapping[str, Tensor] = field(default_factory=dict)

    def extend(self, other: PromptState) -> PromptState:
        """Return what is known of these rows and, behind them, of others."""
        both = {key: torch.cat([rows, other.open[key].to(rows.device)]) for key, rows in self.open.items()}
        return PromptState(torch.cat([self.lengths, other.lengths.to(self.lengths.device)]), both)

    def select(self, rows: Tensor) -> PromptState:
        """Return what is known of some rows, given by their numbers (kept,); of a change of weights that is nothing."""
        if not len(self.lengths):
            return self
        return PromptState(_rows(self.lengths, rows), {key: _rows(opened, rows) for key, opened in self.open.items()})


class Strength:
    """The handle of an attached patch.

    Args:
        strength: multiple of the patch: a number, or one per row of the next batches, (rows,).

    Attributes:
        strength: as given; may be replaced.
        prompt: tokens of each row's prompt, (rows,) or one number, for edits that tell prompt from answer. By default the
            prompt is what a generation's first pass reads; without a cache every pass reads all, so it must be said.
        beams: rows of the model's batch for each row here: the number of beams of a beam search.
        read: what is known of the rows since their prompts were read; whoever moves rows between passes moves it with them.
    """

    def __init__(self, strength: float | Tensor) -> None:
        self.strength = strength
        self.prompt: int | Tensor | None = None
        self.beams = 1
        self.read = PromptState()

    @property
    def off(self) -> bool:
        """Whether the patch does nothing to any row."""
        return not isinstance(self.strength, Tensor) and not self.strength

    def scale(self, change: Tensor) -> Tensor:
        """Return the change (batch, ...) with each row at its strength."""
        return change * self.amount(change)

    def amount(self, like: Tensor) -> float | Tensor:
        """Return the strength as a factor for (batch, ...): a number, or (batch, 1, ...) of the same type.

        Raises:
            UsageError: when there is not one strength per row.
        """
        if not isinstance(self.strength, Tensor):
            return self.strength
        rows = self.strength.repeat_interleave(self.beams)
        if rows.shape != like.shape[:1]:
            raise UsageError(f"{len(rows)} strengths for a batch of {like.shape[0]}", fix="Give one strength per row.")
        return rows.to(like).view(-1, *[1] * (like.dim() - 1))

    def prompts(self, given: Tensor) -> Tensor:
        """Return how many tokens of each row are its prompt: `prompt`, or as many as were `given`, (batch,)."""
        if self.prompt is None:
            return given
        if not isinstance(self.prompt, Tensor):
            return torch.full_like(given, self.prompt)
        rows = self.prompt.repeat_interleave(self.beams)
        if rows.shape != given.shape:
            raise UsageError(
                f"{len(rows)} lengths of prompts for a batch of {len(given)}", fix="Give one length per row."
            )
        return rows.to(given)


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    return values[rows.to(values.device)]
