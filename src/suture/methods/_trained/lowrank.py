"""Training of a low-rank change of whole parameters, some entries of which must not move (LoRA under a mask).

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1.
    d = sigma * (alpha / rank) * (B A),  then d = 0 on the mask        A: (.., rank, in), B: (.., out, rank), B = 0 at the start
sigma is the standard deviation of the parameter, so that one rate fits models of any size. The gradients of A and B are taken
by hand from that of the parameter: dA = sB^T G, dB = sG A^T, with G = 0 on the mask; experts are a leading axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...locate.mask import Mask
from ...model.lm import LM
from ...patch.delta import Dense, LowRank
from ...patch.delta_kind import Delta
from .masked import Part, Trained
from .places import other_parts


class Adapter:
    """The factors of one parameter; to the training loop it is like a `Part`."""

    def __init__(self, whole: Part, rank: int, alpha: float, generator: torch.Generator) -> None:
        self.name, self.copy, self.frozen, self._base = whole.name, whole.copy, whole.frozen, whole.base
        *experts, outputs, inputs = whole.copy.shape
        self.scale = whole.sigma * alpha / rank
        start = torch.randn(*experts, rank, inputs, generator=generator) / rank**0.5
        zeros = torch.zeros(*experts, outputs, rank)
        device = whole.base.device
        self.right = Part(f"{self.name}|A", start.flatten().to(device), _leaf(start, device), None, None)
        self.left = Part(f"{self.name}|B", zeros.flatten().to(device), _leaf(zeros, device), None, None)
        self.left.sigma = self.right.sigma = 1.0

    @property
    def change(self) -> Tensor:
        """What training adds to the parameter, of its shape, float32."""
        product = self.scale * (self.left.copy.detach() @ self.right.copy.detach())
        if self.frozen is not None:
            product.view(-1)[self.frozen] = 0.0
        return product

    def advance(self, step: int, rate: float, decay: float) -> None:
        """Move the factors by the gradient that the copy holds, and the copy with them."""
        gradient = torch.zeros_like(self.copy) if self.copy.grad is None else self.copy.grad
        gradient = gradient.float() * self.scale
        self.copy.grad = None
        if self.frozen is not None:
            gradient.view(-1)[self.frozen] = 0.0
        left, right = self.left.copy.detach(), self.right.copy.detach()
        self.left.copy.grad, self.right.copy.grad = gradient @ right.mT, left.mT @ gradient
        for part in (self.left, self.right):
            part.advance(step, rate, decay)
        self.hold()

    def hold(self) -> None:
        """Bring the copy up to date."""
        self.copy.data.copy_((self._base.float() + self.change.view(-1)).view(self.copy.shape))

    def state(self) -> dict[str, Tensor]:
        """Return what is needed to go on."""
        return {**self.left.state(), **self.right.state()}

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        for part in (self.left, self.right):
            part.resume(state)
        self.hold()


def adapters(lm: LM, parameters: Sequence[str], mask: Mask | None, rank: int, alpha: float, seed: int) -> list[Adapter]:
    """Return an adapter for each parameter that is a matrix, or a stack of them."""
    generator = torch.Generator().manual_seed(seed)
    wholes = [part for part in other_parts(lm, parameters, mask) if part.copy.dim() > 1]
    return [Adapter(whole, rank, alpha, generator) for whole in wholes]


def merged(lm: LM, parts: Sequence[Trained]) -> dict[str, Delta]:
    """Return what the adapters change: factors where no entry is masked, else their product without those entries."""
    adapters = [part for part in parts if isinstance(part, Adapter)]
    by_name = {part.name: part for part in adapters}
    products = {part.name: part.change.cpu() for part in adapters if part.frozen is not None or part.copy.dim() > 2}
    deltas: dict[str, Delta] = {}
    for tensor in lm.anatomy.stored():
        form = lm.anatomy.form(tensor)
        if form.live not in by_name:
            continue
        part = by_name[form.live]
        if form.live in products or form.shape != tuple(part.copy.shape):
            values = form.view(products.setdefault(form.live, part.change.cpu())).contiguous()
            if bool(values.any()):
                deltas[tensor] = Dense(values)
        else:
            left, right = (factor.copy.detach().cpu() for factor in (part.left, part.right))
            deltas[tensor] = LowRank(part.scale * left, right.clone())
    return deltas


def _leaf(values: Tensor, device: torch.device) -> Tensor:
    return values.to(device).clone().requires_grad_()
