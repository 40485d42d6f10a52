"""What changes do to the weights they are made for, measured: their norm as meant and as rounded, and the entries that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..io.tensorfile import differing
from .activation import ActivationDelta
from .delta import edited, touched
from .delta_kind import Delta
from .host import Host
from .provenance import Stamp

FIGURES = ("intended", "effective", "entries")


class Measured(NamedTuple):
    """What was found.

    Attributes:
        before: each touched tensor as it is.
        after: and as it becomes.
        intended: Frobenius norm of the change.
        effective: of what rounding to the type on disk leaves of it; what steers activations counts whole.
        entries: weights that change.
        steering: whether activations are steered.
    """

    before: dict[str, Stamp]
    after: dict[str, Stamp]
    intended: float
    effective: float
    entries: int
    steering: bool

    @property
    def plain(self) -> dict[str, float]:
        """The figures by name (FIGURES), without digits of noise."""
        norms = {"intended": self.intended, "effective": self.effective}
        return {**{name: float(f"{norm:.9g}") for name, norm in norms.items()}, "entries": self.entries}


def measured(lm: Host, terms: Mapping[str, Sequence[Delta]]) -> Measured:
    """Measure changes, by tensor name and in canonical order, on the model they are made for; nothing is changed.

    Raises:
        UsageError: when a change does not fit its tensor.
    """
    before: dict[str, Stamp] = {}
    after: dict[str, Stamp] = {}
    intended = effective = 0.0
    entries, steering = 0, False
    for name, deltas in sorted(terms.items()):
        live, dtype = lm.tensor(name), lm.disk_dtype(name)
        shape = tuple(live.shape)
        for delta in deltas:
            delta.check(shape, name)
        reached = touched(deltas, shape)
        before[name] = Stamp.of(live, dtype, reached)
        steers = [delta for delta in deltas if isinstance(delta, ActivationDelta)]
        steering = steering or not all(delta.null for delta in steers)
        intended += sum(delta.norm(shape) ** 2 for delta in deltas)
        effective += sum(delta.norm(shape) ** 2 for delta in steers)
        if len(steers) == len(deltas):
            after[name] = before[name]
            continue
        new = live.detach().to(dtype, copy=True)
        for rows, values in edited(live, in_weights(deltas), dtype):
            old = new[rows.to(new.device)].cpu()
            moved = values.double() - old.double()
            effective += float(moved.nan_to_num_(0, 0, 0).square().sum())
            entries += differing(old, values)
            new[rows.to(new.device)] = values.to(new.device)
        after[name] = Stamp.of(new, dtype, reached)
    return Measured(before, after, intended**0.5, effective**0.5, entries, steering)


def in_weights(terms: Sequence[Delta]) -> tuple[Delta, ...]:
    """Return the terms that change a weight, not the activations."""
    return tuple(term for term in terms if not isinstance(term, ActivationDelta))
