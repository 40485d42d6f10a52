"""Hooks at what goes into a module or comes out of it, whatever the module's calling convention. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def hook(module: nn.Module, side: str, visit: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
    """Register one hook and return what removes it.

    Args:
        module: where.
        side: "input" or "output"; of several values the first counts, which holds the activations.
        visit: receives the activations; what it returns takes their place, None leaves them.
    """

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            new = visit(args[0])
            return (args if new is None else (new, *args[1:])), kwargs
        new = visit(kwargs["hidden_states"])
        return args, (kwargs if new is None else {**kwargs, "hidden_states": new})

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401 - whatever the module returns
        value, *rest = output if isinstance(output, tuple) else (output,)
        new = visit(value)
        if new is None:
            return None
        return (new, *rest) if isinstance(output, tuple) else new

    if side == "input":
        return module.register_forward_pre_hook(before, with_kwargs=True).remove
    return module.register_forward_hook(after).remove


def keep_masks_finite(block: nn.Module) -> None:
    """Let a block read a float64 attention mask with float32's least number where it has float64's.

    Eager attention (Gemma 2) takes its softmax in float32, where float64's least number is minus infinity: the tokens of
    padding, which see nothing, would become NaN and spread from there.
    """

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        mask = kwargs.get("attention_mask")
        if not isinstance(mask, Tensor) or mask.dtype != torch.float64:
            return None
        return args, {**kwargs, "attention_mask": mask.clamp(min=torch.finfo(torch.float32).min)}

    block.register_forward_pre_hook(before, with_kwargs=True)
