"""Read or replace activations while a model runs. Always a context manager: no hook outlives its block.

    with trace(lm, [Site(3, "residual")]) as seen:
        lm.forward(batch)
    seen[Site(3, "residual")]                                  # (batch, tokens, d_model)

A replacement is a function of the activations that returns new ones; it never writes in place, so nothing that
shares memory with them changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...patch.runtime.hooks import hook
from ..arch.anatomy import Site, Weight
from ..lm import LM

Edit = Callable[[Tensor], Tensor]
Visit = Callable[
    [list[Weight], Tensor, Tensor], Tensor
]  # weights of a matrix, its inputs, the product -> the new product


class _Stop(BaseException):
    """Ends a forward pass early; caught by `trace` alone."""


@contextmanager
def trace(
    lm: LM,
    sites: Sequence[Site] = (),
    *,
    edit: Mapping[Site, Edit] | None = None,
    keep: Edit | Mapping[Site, Edit] | None = None,
    stop: bool = False,
) -> Iterator[dict[Site, Tensor]]:
    """Capture activations at `sites`, replace those in `edit`.

    Args:
        lm: the model.
        sites: where to read; each forward pass overwrites what was read before.
        edit: functions (batch, tokens, d) -> same shape, applied before reading.
        keep: what to keep of each capture, so that a pass need not hold all of them (a pooled state, a few
            positions); one function, or one for each site.
        stop: leave the forward pass (and the block) once every site has been read. Nothing behind the deepest site is
            computed; statements after the forward call inside the block do not run.

    Yields:
        The captured tensors by site, filled as the model runs; detached only if the model runs without gradients.

    Example:
        >>> from suture import LM, Site, trace
        >>> lm = LM.load("patient")
        >>> with trace(lm, [Site(0, "mlp.in")]) as seen:
        ...     _ = lm.forward(lm.batch([lm.encode("Anna read a book.")]))
        >>> seen[Site(0, "mlp.in")].shape[-1]
        192
    """
    captures: dict[Site, Tensor] = {}
    edits = dict(edit or {})

    def visit(site: Site, value: Tensor) -> Tensor | None:
        new = edits[site](value) if site in edits else None
        if site in sites:
            state = value if new is None else new
            chosen = keep[site] if isinstance(keep, Mapping) else keep
            captures[site] = state if chosen is None else chosen(state)
            if stop and len(captures) == len(sites):
                raise _Stop
        return new

    with ExitStack() as hooks:
        for site in dict.fromkeys((*sites, *edits)):
            module, side = lm.anatomy.module(site)
            hooks.callback(hook(module, side, partial(visit, site)))
        try:
            yield captures
        except _Stop:
            pass


@contextmanager
def resumed(lm: LM, layer: int, states: Tensor) -> Iterator[None]:
    """Run the model from block `layer` on: the blocks below it are skipped, it reads `states` instead of their work.

    Args:
        lm: the model.
        layer: first block that is computed.
        states: (batch, tokens, d_model) what it reads, as captured at `Site(layer, "residual.in")` for the same batch.
    """
    wraps = _wraps(lm) if layer else False

    def skip(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the block's own forward
        passed = args[0] if args else kwargs["hidden_states"]
        return (passed, None) if wraps else passed

    with ExitStack() as undo:
        for block in lm.anatomy.blocks[:layer]:
            undo.callback(_put_back, block, vars(block).get("forward"))
            vars(block)["forward"] = skip
        undo.enter_context(trace(lm, edit={Site(layer, "residual.in"): lambda _: states}))
        yield


@dataclass(frozen=True, eq=False)
class Product:
    """One multiplication of activations with weights, as it happened.

    Attributes:
        weights: those the matrix holds (gate and up of a fused one); `Weight.cut` says which outputs are whose.
        inputs: (..., in) what was multiplied; for an expert the tokens routed to it, (tokens, in).
        push: zeros (..., out) that were added to the result; the gradient of a loss with respect to it is that with respect
            to the result.
    """

    weights: list[Weight]
    inputs: Tensor
    push: Tensor


@contextmanager
def tap(lm: LM, weights: Iterable[Weight]) -> Iterator[list[Product]]:
    """Record every multiplication with some weights while the model runs, wherever it happens in the code.

    The operand is recognised by its place in memory, so linear layers, fused matrices and the experts of a 3-D parameter
    need no code of their own.
    """
    products: list[Product] = []

    def record(owned: list[Weight], inputs: Tensor, result: Tensor) -> Tensor:
        push = torch.zeros_like(result, requires_grad=torch.is_grad_enabled())
        products.append(Product(owned, inputs, push))
        return result + push

    with _products(lm, weights, record):
        yield products


@contextmanager
def moved(lm: LM, changes: Iterable[tuple[Weight, Edit]]) -> Iterator[None]:
    """Run the model as if some weights had changed: what a change does to the inputs is added to every product with its weight.

    Args:
        lm: the model; its weights stay as they are.
        changes: weights, each with the linear map D that is added to it, as a function: (..., in) -> (..., out).
    """
    pairs = list(changes)

    def add(owned: list[Weight], inputs: Tensor, result: Tensor) -> Tensor:
        for weight, change in pairs:
            if any(weight is other for other in owned):
                more = change(inputs).to(result.dtype)
                cut = None if weight.cut is None else torch.tensor(weight.cut, device=result.device)
                result = result + more if cut is None else result.index_add(-1, cut, more)
        return result

    with _products(lm, [weight for weight, _ in pairs], add):
        yield


@contextmanager
def _products(lm: LM, weights: Iterable[Weight], visit: Visit) -> Iterator[None]:
    """Let `visit` replace the result of every multiplication with some weights."""
    owners: dict[int, list[Weight]] = {}
    for weight in weights:
        owners.setdefault(weight.operand.data_ptr(), []).append(weight)
    chosen = getattr(lm.model.config, "_experts_implementation", None)
    if chosen is not None:
        lm.model.config._experts_implementation = "eager"  # the fused kernels never multiply with one expert
    try:
        with _Tap(owners, visit):
            yield
    finally:
        if chosen is not None:
            lm.model.config._experts_implementation = chosen


class _Tap(TorchFunctionMode):
    OPERAND: Mapping[Any, int] = {  # position of the weight among the arguments
        torch.nn.functional.linear: 1, torch.matmul: 1, Tensor.matmul: 1, Tensor.__matmul__: 1, torch.addmm: 2,
    }  # fmt: skip

    def __init__(self, owners: Mapping[int, list[Weight]], visit: Visit) -> None:
        super().__init__()
        self.owners, self.visit = owners, visit

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """See torch.overrides."""
        result = func(*args, **(kwargs or {}))
        at = self.OPERAND.get(func)
        if at is None or len(args) <= at:
            return result
        owned = self.owners.get(args[at].data_ptr())
        if owned is None or args[at].shape != owned[0].operand.shape:
            return result
        return self.visit(owned, args[at - 1], result)


@torch.no_grad()
def _wraps(lm: LM) -> bool:
    """Return whether blocks return tuples (GPT-J) or bare tensors, from one token and one block."""
    are_tuples: list[bool] = []

    def look(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401 - whatever the block returns
        are_tuples.append(isinstance(output, tuple))

    hook = lm.anatomy.blocks[0].register_forward_hook(look)
    try:
        with trace(lm, [Site(0, "residual")], stop=True):
            lm.forward(lm.batch([[0]]), head=False)
    finally:
        hook.remove()
    return are_tuples[0]


def _put_back(block: nn.Module, forward: Any) -> None:  # noqa: ANN401 - a method somebody else put there, or None
    del vars(block)["forward"]
    if forward is not None:
        vars(block)["forward"] = forward
