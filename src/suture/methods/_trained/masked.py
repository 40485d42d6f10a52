"""Training of chosen entries: AdamW whose state exists for them alone, on a copy of the tensors they lie in.

Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, for the entries i of a mask alone:
    d_i <- d_i - rate_t * sigma * (m_i / (sqrt(v_i) + eps) + decay * (w_i + d_i)),   w: the weight, d: its change, both (entries,)
The rate is in standard deviations sigma of the tensor, so that one setting fits models of any size. The model runs on the copy
(`torch.func.functional_call`); its own weights are read and never written.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ...errors import UsageError
from ...io import tensorfile
from ...model.lm import LM, Batch
from ...text.heard import tell
from ...text.phase import Progress

FORMAT = "suture.training/1"
BETAS, EPS = (0.9, 0.999), 1e-8
WARM = 0.03  # share of the steps in which the rate rises, as published; then a cosine
Loss = Callable[[int], Tensor]  # number of a step -> its loss


class Trained(Protocol):
    """What the loop trains: a parameter's entries, or factors of its change."""

    name: str
    copy: Tensor

    def advance(self, step: int, rate: float, decay: float) -> None:
        """Move by the gradient that the copy holds."""

    def state(self) -> dict[str, Tensor]:
        """Return what is needed to go on."""

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""


@dataclass(eq=False)
class Part:
    """The trained entries of one parameter.

    Attributes:
        name: of the parameter.
        base: the parameter, flat; never written.
        copy: what the model runs on, of the parameter's shape.
        index: trained positions in the flat parameter, or None for all but `frozen`.
        frozen: positions that keep their value, where `index` is None.
        change: (entries,) float32, what training adds.
    """

    name: str
    base: Tensor = field(repr=False)
    copy: Tensor = field(repr=False)
    index: Tensor | None
    frozen: Tensor | None
    change: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = self.base.numel() if self.index is None else len(self.index)
        self.change, self.first, self.second = (torch.zeros(size, device=self.base.device) for _ in range(3))
        self.sigma = float(self.base.float().std()) or 1.0

    @classmethod
    def of(cls, lm: LM, name: str, index: Tensor | None = None, frozen: Tensor | None = None) -> Part:
        """Return a part of a live parameter."""
        parameter = lm.model.get_parameter(name)
        places = (None if positions is None else positions.to(parameter.device) for positions in (index, frozen))
        copy = parameter.detach().clone().requires_grad_()
        return cls(name, parameter.detach().reshape(-1), copy, *places)

    def advance(self, step: int, rate: float, decay: float) -> None:
        """Move the entries by the gradient that the copy holds, and the copy with them."""
        if self.copy.grad is None:  # experts that no token of this step was sent to
            self.copy.grad = torch.zeros_like(self.copy)
        gradient = self._entries(self.copy.grad.reshape(-1)).float()
        self.copy.grad = None
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.lerp_(gradient.square(), 1 - BETAS[1])
        mean, spread = self.first / (1 - BETAS[0] ** step), self.second / (1 - BETAS[1] ** step)
        moved = mean / (spread.sqrt() + EPS)
        if decay:
            moved += decay * (self._entries(self.base).float() + self.change)
        self.change -= rate * self.sigma * moved
        self.hold()

    def hold(self) -> None:
        """Take back what frozen entries were moved, and bring the copy up to date."""
        if self.frozen is not None:
            self.change[self.frozen] = 0.0
        value = (self._entries(self.base).float() + self.change).to(self.copy.dtype)
        flat = self.copy.data.view(-1)
        if self.index is None:
            flat.copy_(value)
        else:
            flat[self.index] = value

    def state(self) -> dict[str, Tensor]:
        """Return what is needed to go on."""
        return {f"{self.name}|{kind}": getattr(self, kind).cpu() for kind in ("change", "first", "second")}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for kind in ("change", "first", "second"):
            getattr(self, kind).copy_(state[f"{self.name}|{kind}"])
        self.hold()

    def _entries(self, flat: Tensor) -> Tensor:
        return flat if self.index is None else flat[self.index]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: of the optimiser.
        rate: the highest, in standard deviations of each tensor.
        decay: of the weights, towards 0.
    """

    steps: int
    rate: float
    decay: float = 0.0

    def at(self, step: int) -> float:
        """Return the rate of a step, from 0."""
        warm = max(1, round(WARM * self.steps))
        return self.rate * min(1.0, (step + 1) / warm) * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Saved:
    """A file from which interrupted training goes on.

    Attributes:
        path: of the file.
        key: says which training it is of; another one's file is refused.
        every: steps between writings.
    """

    path: Path
    key: str
    every: int = 100

    def load(self, parts: Sequence[Trained]) -> int:
        """Bring the parts to where the file left them; returns the number of steps done, 0 without a file.

        Raises:
            UsageError: when the file is of another training.
        """
        if not self.path.is_file():
            return 0
        tensors, metadata = tensorfile.read(self.path, FORMAT)
        about = json.loads(metadata["about"])
        if about["key"] != self.key:
            raise UsageError(
                f"{self.path} holds another training",
                why="Its settings, examples or model differ.",
                fix="Give another file, or remove this one.",
            )
        for part in parts:
            part.resume(tensors)
        return int(about["steps"])

    def save(self, parts: Sequence[Trained], steps: int) -> None:
        """Write the file, whole or not at all."""
        tensors = {name: tensor for part in parts for name, tensor in part.state().items()}
        about = json.dumps({"key": self.key, "steps": steps}, sort_keys=True)
        tensorfile.write(self.path, tensors, {"format": FORMAT, "about": about})


def train(
    parts: Sequence[Trained],
    loss: Loss,
    schedule: Schedule,
    *,
    saved: Saved | None = None,
    progress: Progress | None = None,
) -> list[float]:
    """Train the parts; returns the losses of the steps done now.

    Args:
        parts: what may change.
        loss: the loss of a step, through `forward` on the parts' copies; the same for the same number.
        schedule: how long and how fast.
        saved: continue from this file, and write it.
        progress: called with ("steps", steps done, steps).
    """
    losses, first, advanced = [], saved.load(parts) if saved else 0, progress or tell
    advanced("steps", first, schedule.steps)
    for step in range(first, schedule.steps):
        with torch.enable_grad():
            now = loss(step)
            now.backward()
        losses.append(float(now.detach()))
        for part in parts:
            part.advance(step + 1, schedule.at(step), schedule.decay)
        if saved and ((step + 1) % saved.every == 0 or step + 1 == schedule.steps):
            saved.save(parts, step + 1)
        advanced("steps", step + 1, schedule.steps)
    return losses


def forward(lm: LM, copies: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """Return the logits of a batch with some parameters replaced: (batch, tokens, vocabulary) float32."""
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "position_ids": batch.positions, "use_cache": False}
    logits: Tensor = torch.func.functional_call(lm.model, dict(copies), (), inputs).logits
    return logits.float()


def answers_loss(logits: Tensor, batch: Batch, begins: Sequence[int]) -> Tensor:
    """Return the mean negative log-likelihood of all tokens from where each row's answer begins."""
    places = torch.arange(1, batch.ids.shape[1], device=batch.ids.device)
    counted = batch.mask[:, 1:] * (places >= torch.tensor(list(begins), device=batch.ids.device)[:, None])
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), batch.ids[:, 1:], reduction="none")
    return (loss * counted).sum() / counted.sum().clamp(min=1)


def drawn(count: int, size: int, step: int, seed: int) -> list[int]:
    """Return which of `count` examples a step trains on: all of them once, in a new order, then again."""
    chosen: list[int] = []
    while len(chosen) < size:
        place = step * size + len(chosen)
        order = random.Random(f"{seed} {place // count}").sample(range(count), count)
        chosen += order[place % count : place % count + size - len(chosen)]
    return chosen
