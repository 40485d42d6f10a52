"""A change of activations, made while a model runs: the deltas that no weight can hold in general. See `Steer`, `Codebook`.

It is filed in a patch under the name of a block's `attn.o` weight, which is stamped like any tensor a patch touches: a matrix
every block has, so that another model is refused. `passes` makes the change, where and when the term says.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..errors import UsageError
from .delta_kind import Delta

Positions = Literal["all", "prompt", "generated", "answer"]
Place = Literal["residual", "heads"]


class ActivationDelta(Delta):
    """What every change of activations can do.

    Attributes:
        positions: tokens acted on: all, those of the prompt, those generated, or the prompt's last and those
            generated, which say the answer.
        place: where in the block: "residual" is what the block puts out, "heads" what `attn.o` receives.
    """

    OTHERWISE: ClassVar[str]  # what to do where only weights can be changed
    positions: Positions
    place: Place

    def touched_rows(self, shape: tuple[int, ...]) -> Tensor:
        """No row of a weight."""
        return torch.zeros(0, dtype=torch.int64)

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Refuse: there is no such change of a weight.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "this patch steers activations: it can not be written into weights as it is",
            why=f"Its change ({self.positions} tokens) is made while the model runs.",
            fix=f"Use patch.attached(lm); or {self.OTHERWISE}.",
        )

    def moved(self, states: Tensor, amount: float | Tensor) -> Tensor:
        """Return the change of states at a strength: (..., d), a number or (..., 1) -> (..., d)."""
        raise NotImplementedError

    @property
    def null(self) -> bool:
        """Whether it does nothing, at any strength."""
        raise NotImplementedError
