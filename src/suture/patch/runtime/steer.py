"""A change of the activations that pass a block: the delta of steering, which no weight can hold in general.

    add       h' = h + a v                                 h: (d,), v: (d,), a: strength
    turn      h' = (h + a v) |h| / |h + a v|               as long as before
    project   h' = h - a v v^T h                           |v| = 1; a = 1 removes the component
    clamp     h' = h + a (level - v^T h) v                 |v| = 1; a = 1 sets the component

How it is filed, and where it acts: see `ActivationDelta`. A condition is decided for each row of a batch, once, from
its prompt (see `passes`):

    cosine    c . m / (|c| |m|) > threshold                m: mean state of the prompt's tokens, c: (d,)
    cast      cos(m, tanh(c c^T m / |c|^2)) > threshold    Lee et al. 2025, "Programming Refusal with Conditional
                                                           Activation Steering", eq. 3
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from ..activation import ActivationDelta, Place, Positions
from ..codebook import Codebook
from ..delta import KINDS as WEIGHT_KINDS
from ..delta_kind import Delta

Mode = Literal["add", "turn", "project", "clamp"]
Likeness = Literal["cosine", "cast"]


@dataclass(frozen=True, eq=False)
class Steer(ActivationDelta):
    """See the module's docstring.

    Attributes:
        vector: (d,) float32.
        condition: (d,) float32 of another block's output, or None: always.
        mode: what is done with the vector.
        positions: see `ActivationDelta`.
        place: see `ActivationDelta`.
        level: the component that "clamp" sets.
        reads: name of the `attn.o` weight of the block whose output the condition reads.
        threshold: of the condition.
        likeness: how the condition compares.
    """

    kind = "steer"
    direction = "vector"
    OTHERWISE: ClassVar[str] = (
        "suture.export.bake.bake(lm, patch) where the model has biases; or edit surgery or ablation"
    )
    SETTINGS: ClassVar[tuple[str, ...]] = ("mode", "positions", "place", "level", "reads", "threshold", "likeness")
    vector: Tensor
    condition: Tensor | None = None
    mode: Mode = "add"
    positions: Positions = "all"
    place: Place = "residual"
    level: float = 0.0
    reads: str = ""
    threshold: float = 0.0
    likeness: Likeness = "cosine"

    def settings(self) -> dict[str, Any]:
        """See `Delta.settings`."""
        return {name: getattr(self, name) for name in self.SETTINGS}

    def norm(self, shape: tuple[int, ...]) -> float:
        """Return the length of the vector, scale included."""
        return abs(self.scale) * float(self.vector.norm())

    def moved(self, states: Tensor, amount: float | Tensor) -> Tensor:
        """See `ActivationDelta.moved`."""
        vector = self.vector.to(states)
        if self.mode in ("add", "turn"):
            step = vector * amount
            if self.mode == "add":
                return step.expand_as(states)
            moved = states + step
            length = states.norm(dim=-1, keepdim=True) / moved.norm(dim=-1, keepdim=True).clamp(min=1e-30)
            return moved * length - states
        along = (states @ vector)[..., None]
        return amount * ((self.level if self.mode == "clamp" else 0.0) - along) * vector

    def opens(self, mean: Tensor) -> Tensor:
        """Return for which rows the condition holds: mean states (batch, d) -> (batch,) bool."""
        if self.condition is None:
            return torch.ones(len(mean), dtype=torch.bool, device=mean.device)
        return likeness_of(mean, self.condition.to(mean), self.likeness) > self.threshold

    @property
    def null(self) -> bool:
        """Whether it does nothing, at any strength."""
        return not self.scale or (self.mode != "clamp" and not bool(self.vector.any()))

    def _misfit(self, shape: tuple[int, ...]) -> str:
        literals = {"mode": Mode, "positions": Positions, "place": Place, "likeness": Likeness}
        for name, choices in literals.items():
            if getattr(self, name) not in get_args(choices):
                return f"no {name} {getattr(self, name)!r} of steering"
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in (self.level, self.threshold)):
            return "a level or threshold that is no number"
        if not isinstance(self.reads, str) or (self.condition is None) == bool(self.reads):
            return "a condition needs the block it reads"
        if self.vector.dim() != 1 or len(self.vector) not in shape:
            return f"a vector of shape {tuple(self.vector.shape)}"
        if self.mode in ("project", "clamp") and abs(float(self.vector.norm()) - 1) > 1e-3:
            return f"{self.mode} needs a vector of length 1"
        return ""


def likeness_of(mean: Tensor, condition: Tensor, likeness: Likeness) -> Tensor:
    """Return how alike mean states and a condition are: (batch, d), (d,) -> (batch,) from -1 to 1."""
    if likeness == "cosine":
        return torch.cosine_similarity(mean, condition[None], dim=-1)
    along = (mean @ condition)[:, None] * condition / condition.square().sum()
    return torch.cosine_similarity(mean, torch.tanh(along), dim=-1)


KINDS: dict[str, type[Delta]] = {**WEIGHT_KINDS, Steer.kind: Steer, Codebook.kind: Codebook}
