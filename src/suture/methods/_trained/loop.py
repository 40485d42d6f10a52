"""Training a change of some weights, which fine-tuning, LoRA and CrispEdit share. The weights themselves never move.

y = W x + D x      W, D: (out, in), D is float32 and zero at first; x: (..., in)
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ...data.examples import Fact
from ...model.arch.anatomy import Weight
from ...model.lm import LM, Batch
from ...model.run.fact_rows import encode
from ...model.run.tracing import moved
from ...numerics.divergence import kl_divergence, masked_mean
from ...patch.delta import Dense, LowRank
from ...patch.delta_kind import Delta, by_tensor
from ...text.heard import tell

KEPT, TOKENS = 8, 64  # texts to keep in each step, and tokens of each
Loss = Literal["target", "prompt_last"]
T = TypeVar("T")
log = logging.getLogger(__name__)


class TokenizedTarget(NamedTuple):
    """A text as ids, of which those from `begin` on are to become likely."""

    ids: list[int]
    begin: int


class Change(Protocol):
    """What is added to one weight, and the float32 tensors it is made of."""

    @property
    def weight(self) -> Weight:
        """The weight it belongs to."""

    @property
    def leaves(self) -> list[Tensor]:
        """The tensors that are trained."""

    def effect(self, inputs: Tensor) -> Tensor:
        """Return D x: (..., in) -> (..., out)."""

    def delta(self) -> Delta:
        """Return D as a change of the stored tensor."""


@dataclass(frozen=True, eq=False)
class Full:
    """Every entry is trained: `values` (out, in)."""

    weight: Weight
    values: Tensor

    @classmethod
    def of(cls, weight: Weight) -> Full:
        """Return a change of nothing."""
        return cls(weight, torch.zeros(weight.shape, device=weight.parameter.device, requires_grad=True))

    @property
    def leaves(self) -> list[Tensor]:
        """See `Change`."""
        return [self.values]

    def effect(self, inputs: Tensor) -> Tensor:
        """See `Change`."""
        return inputs.float() @ self.values.T

    def delta(self) -> Dense:
        """See `Change`."""
        whole = torch.zeros(self.weight.stored.shape)
        view = whole.T if self.weight.transposed else whole  # (out, in) of all that shares the tensor
        rows, columns = (
            torch.arange(size) if index is None else torch.tensor(index)
            for size, index in zip(view.shape, (self.weight.outputs, self.weight.inputs), strict=True)
        )
        view[rows[:, None], columns] = self.values.detach().cpu()
        return Dense(whole)


@dataclass(frozen=True, eq=False)
class Factors:
    """Two factors are trained: D = scale * left @ right, left (out, rank) zero at first, right (rank, in) random."""

    weight: Weight
    left: Tensor
    right: Tensor
    scale: float

    @classmethod
    def of(cls, weight: Weight, rank: int, scale: float, generator: torch.Generator) -> Factors:
        """Return a change of nothing; the rows of `right` have entries in +-1 / root of their length."""
        outputs, inputs = weight.shape
        left, right = torch.zeros(outputs, rank), (2 * torch.rand(rank, inputs, generator=generator) - 1) / inputs**0.5
        left, right = (factor.to(weight.parameter.device).requires_grad_() for factor in (left, right))
        return cls(weight, left, right, scale)

    @property
    def leaves(self) -> list[Tensor]:
        """See `Change`."""
        return [self.left, self.right]

    def effect(self, inputs: Tensor) -> Tensor:
        """See `Change`."""
        return self.scale * ((inputs.float() @ self.right.T) @ self.left.T)

    def delta(self) -> Delta:
        """See `Change`."""
        left, right = (factor.detach().cpu() for factor in (self.left, self.right))
        return self.weight.place(LowRank((self.scale * left).contiguous(), right.contiguous()))


@dataclass(frozen=True)
class TrainingConfig:
    """How a change is trained.

    Attributes:
        steps: passes over all items at most.
        rate: of Adam.
        stop: mean loss of a pass at which to end, penalties not counted.
        batch: items a step.
        decay: of Adam, pulling the change back to nothing.
        seed: of the order.
    """

    steps: int
    rate: float
    stop: float
    batch: int
    decay: float = 0.0
    seed: int = 0


def train(
    changes: Sequence[Change],
    items: Sequence[T],
    loss: Callable[[Sequence[T]], tuple[Tensor, Tensor | float]],
    course: TrainingConfig,
    *,
    gradient: Callable[[], None] | None = None,
    after: Callable[[], None] | None = None,
) -> list[float]:
    """Train changes in place and return the mean loss of each pass.

    Args:
        changes: what is trained.
        items: what the loss is taken over, a batch of them at a time.
        loss: mean loss of a batch, and a penalty to add; differentiable.
        course: how.
        gradient: called when the leaves have their gradients, to alter these.
        after: called after each step, to alter the leaves.
    """
    leaves = [leaf for change in changes for leaf in change.leaves]
    adam = torch.optim.Adam(leaves, lr=course.rate, weight_decay=course.decay)
    rng, losses = random.Random(course.seed), []
    tell("passes", 0, course.steps)
    for number in range(course.steps):
        order, total = rng.sample(items, len(items)), 0.0
        for begin in range(0, len(order), course.batch):
            part = order[begin : begin + course.batch]
            with torch.enable_grad():
                value, penalty = loss(part)
                slopes = torch.autograd.grad(value + penalty, leaves, allow_unused=True)
            for leaf, slope in zip(leaves, slopes, strict=True):  # an expert may have had no token
                leaf.grad = torch.zeros_like(leaf) if slope is None else slope
            total += float(value.detach()) * len(part) / len(order)
            with torch.no_grad():
                if gradient:
                    gradient()
                adam.step()
                if after:
                    after()
        losses.append(total)
        log.info("pass %d: loss %.4f", number + 1, total)
        tell("passes", number + 1, course.steps)
        if total < course.stop:
            break
    return losses


def in_effect(lm: LM, changes: Sequence[Change]) -> AbstractContextManager[None]:
    """Run the model with the changes as they are now."""
    return moved(lm, [(change.weight, change.effect) for change in changes])


def deltas(changes: Sequence[Change]) -> dict[str, list[Delta]]:
    """Return the changes by tensor name, those that are still nothing left out."""
    something = (change for change in changes if all(bool(leaf.detach().any()) for leaf in change.leaves))
    return by_tensor((change.weight.tensor, change.delta()) for change in something)


def lines(lm: LM, facts: Sequence[Fact]) -> list[TokenizedTarget]:
    """Return prompts with their targets."""
    rows = [encode(lm, fact.prompt, fact.subject, fact.target) for fact in facts]
    return [TokenizedTarget(row.ids, row.begin) for row in rows]


def predicted(lm: LM, rows: Sequence[TokenizedTarget]) -> tuple[Batch, Tensor]:
    """Return lines as a batch, and which of its tokens are predicted from those before them: (lines, tokens) of bool."""
    batch = lm.batch([line.ids for line in rows])
    begins = torch.tensor([max(line.begin, 1) for line in rows], device=lm.device)
    places = torch.arange(batch.ids.shape[1], device=lm.device)
    return batch, (places >= begins[:, None]) & batch.mask.bool()


def target_nll(lm: LM, rows: Sequence[TokenizedTarget], loss: Loss = "target") -> Tensor:
    """Return the mean over lines of the loss per token from `begin` on, in nats.

    Args:
        lm: the model, as it is now.
        rows: the lines.
        loss: "target" reads each token after those before it; "prompt_last" asks all of them of the last one before `begin`.
    """
    batch, scored = predicted(lm, rows)
    places = torch.arange(batch.ids.shape[1], device=lm.device).expand_as(batch.ids)
    first = scored.int().argmax(1, keepdim=True).expand_as(batch.ids)
    before = ((first if loss == "prompt_last" else places) - 1).clamp(min=0)
    likely = lm.forward(batch).logits.float().log_softmax(-1)  # (lines, tokens, vocabulary)
    per_token = likely[torch.arange(len(rows), device=lm.device)[:, None], before, batch.ids]
    return -((per_token * scored).sum(1) / scored.sum(1)).mean()


def kl_to_base(lm: LM, texts: Sequence[str], changes: Sequence[Change]) -> Tensor:
    """Return KL(base || changed) per token on texts, in nats; the gradient goes through the changed model."""
    batch = lm.batch([lm.encode(text)[:TOKENS] for text in texts])
    with torch.no_grad():
        base = lm.forward(batch).logits.float().log_softmax(-1)
    with in_effect(lm, changes):
        now = lm.forward(batch).logits.float().log_softmax(-1)
    return masked_mean(kl_divergence(base, now), batch.mask)


def objective(
    lm: LM,
    changes: Sequence[Change],
    *,
    loss: Loss = "target",
    locality: float = 0.0,
    keep: Sequence[str] = (),
    seed: int = 0,
) -> Callable[[Sequence[TokenizedTarget]], tuple[Tensor, Tensor | float]]:
    """Return a loss for `train`: that of lines, and `locality` times the KL on some of the texts to keep as its penalty."""
    rng = random.Random(seed)

    def of(part: Sequence[TokenizedTarget]) -> tuple[Tensor, Tensor | float]:
        with in_effect(lm, changes):
            nll = target_nll(lm, part, loss)
        if not locality:
            return nll, 0.0
        return nll, locality * kl_to_base(lm, rng.sample(keep, min(KEPT, len(keep))), changes)

    return of
