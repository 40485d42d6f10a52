"""Changes in effect on a live model: written into its weights for a while, or added to what its modules put out.

Undo is not subtraction: in bf16, (W + D) - D differs from W in 1 to 27 % of the entries. The touched rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from ..activation import ActivationDelta
from ..delta import edited
from ..delta_kind import Delta
from ..effect import in_weights
from ..host import Host
from .steering_runtime import steered
from .strength import Strength

Terms = Mapping[str, tuple[Delta, ...]]  # by tensor name in the checkpoint


@contextmanager
def changed_weights(lm: Host, terms: Terms) -> Iterator[None]:
    """Change the weights inside the block; restore every bit on leaving, also after an exception.

    Raises:
        UsageError: for what steers activations.
    """
    originals: list[tuple[Tensor, Tensor, Tensor]] = []
    try:
        for name, changes in terms.items():
            live = lm.tensor(name).data
            for rows, values in edited(live, changes, lm.disk_dtype(name)):
                place = rows.to(live.device)
                originals.append((live, place, live[place].clone()))
                live[place] = values.to(live)
        yield
    finally:
        for live, place, old in reversed(originals):
            live[place] = old


@contextmanager
def changed_outputs(lm: Host, terms: Terms, strength: float | Tensor) -> Iterator[Strength]:
    """Add the change to what the modules put out, leaving the weights alone; yields the handle of its strength.

    Raises:
        UsageError: for a tensor that no linear module applies.
    """
    dose = Strength(strength)
    with ExitStack() as hooks:
        for name, changes in terms.items():
            if weights := in_weights(changes):
                module, transposed = lm.linear(name)
                shape = tuple(lm.tensor(name).shape)
                hooks.callback(module.register_forward_hook(_adder(weights, shape, transposed, dose)).remove)
        if steers := {name: edits for name, changes in terms.items() if (edits := steering(changes))}:
            hooks.enter_context(steered(lm, steers, dose))
        yield dose


def steering(terms: Sequence[Delta]) -> tuple[ActivationDelta, ...]:
    """Return the terms that change activations, not a weight."""
    return tuple(term for term in terms if isinstance(term, ActivationDelta))


def _adder(terms: tuple[Delta, ...], shape: tuple[int, ...], transposed: bool, dose: Strength) -> Callable[..., Tensor]:
    def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if dose.off:
            return output
        for term in terms:
            change = dose.scale(term.effect(inputs[0], shape, transposed=transposed) * term.scale).to(output.dtype)
            outputs = term.touched_outputs(transposed=transposed)
            output = output + change if outputs is None else output.index_add(-1, outputs.to(output.device), change)
        return output

    return add
