"""The gradient of a score, summed over examples in float32, while no more than one tensor of it is held twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..model.arch.anatomy import Weight
from ..text.phase import Progress

Sums = dict[int, Tensor]  # id of a parameter -> float32 sum of its gradients, of its shape


@contextmanager
def gathered(weights: Iterable[Weight], *, absolute: bool = False) -> Iterator[Sums]:
    """Add up what each backward pass inside the block finds; the model is left as it was.

    Args:
        weights: whose parameters are looked at; no other parameter gets a gradient.
        absolute: add up absolute values, pass by pass, so that passes of opposite signs do not cancel.

    Yields:
        The sums by the parameters' ids.
    """
    parameters: dict[int, nn.Parameter] = {id(w.parameter): w.parameter for w in weights}
    sums = {key: torch.zeros_like(p, dtype=torch.float32) for key, p in parameters.items()}

    def take(parameter: Tensor) -> None:
        assert parameter.grad is not None
        # One tensor at a time: its gradient is gone before the next one is computed.
        sums[id(parameter)] += parameter.grad.abs() if absolute else parameter.grad
        parameter.grad = None

    hooks = []
    try:
        for parameter in parameters.values():
            parameter.requires_grad_(True)
            hooks.append(parameter.register_post_accumulate_grad_hook(take))
        yield sums
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in parameters.values():
            parameter.requires_grad_(False)
            parameter.grad = None


def summed(
    weights: Sequence[Weight],
    score: Callable[[int], Tensor],
    count: int,
    *,
    absolute: bool = False,
    progress: Progress | None = None,
) -> Sums:
    """Return the summed gradients of `score(0) .. score(count - 1)`, see `gathered`."""
    with gathered(weights, absolute=absolute) as sums:
        for number in range(count):
            with torch.enable_grad():
                score(number).backward()
            if progress:
                progress("batches", number + 1, count)
    return sums
