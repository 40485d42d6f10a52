"""One hook at what goes into a module or comes out of it, whatever the module's calling convention. Imports nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
