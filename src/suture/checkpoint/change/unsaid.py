"""What can not be said of the difference between two checkpoints as a change to add: found, counted, and told.

    W' = cast(W64 + D64)      D: a finite float64 sum

No finite D makes a number NaN or infinite, or finite again. W + (-W) is +0, never -0; a zero turns only to the zero of the
other sign where a change rounds away, so not in float64. And where W is more than 2^53 times as large as W', the sum has no
digits left for W'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ...errors import PatchMismatch, VerificationFailed
from ..format.folder import Checkpoint
from ..format.unsupported import FLOATS

NAMED = 3  # tensors, or rows of one, that a message names


@dataclass(frozen=True)
class Unsaid:
    """Entries of a tensor that a change did not bring to their bits.

    Attributes:
        kinds: how many, by what they are.
        rows: in how many rows they lie.
        first: the first of these.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    first: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, old: Tensor, new: Tensor, wrong: Tensor) -> Unsaid:
        """Look at a tensor.

        Args:
            old: as it is, (n, ...).
            new: as it should be.
            wrong: which entries are not, (n, ...) bool.
        """
        rows = wrong.view(wrong.shape[0], -1).any(1).nonzero()[:, 0].tolist()
        old, new = old[wrong], new[wrong]
        kinds = {
            "NaN": new.isnan(),
            "infinite": new.isinf(),
            "finite where the base is not": new.isfinite() & ~old.isfinite(),
            "zeros of the other sign": (new == 0) & old.isfinite(),
        }
        kinds["out of the reach of a sum in float64"] = ~torch.stack([*kinds.values()]).any(0)
        return cls({kind: int(mask.sum()) for kind, mask in kinds.items() if bool(mask.any())}, len(rows), rows[:NAMED])

    def __str__(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.kinds.items())
        first = ", ".join(map(str, self.first))
        return f"{kinds}, in {self.rows:,} row{'s' * (self.rows > 1)} ({first}{', ...' * (self.rows > NAMED)})"


def unsaid_error(a: Path, b: Path, unsaid: Mapping[str, Unsaid], *, rest: bool) -> VerificationFailed:
    """Return the error that says where no patch makes B of A.

    Args:
        a: the base.
        b: the changed checkpoint.
        unsaid: what no change gives, by tensor.
        rest: whether something of the difference is left that can be said.
    """
    lines = [f"{name}: {what}" for name, what in unsaid.items()]
    more = f"; and {len(lines) - NAMED} more tensors" if len(lines) > NAMED else ""
    return VerificationFailed(
        f"no patch makes {b} of {a}, bit for bit",
        why=f"These numbers are no sum of the base and a change: {'; '.join(lines[:NAMED])}{more}.",
        fix="Keep B as a checkpoint" + ("; or leave these numbers out of the patch: `inexact=True`" if rest else "."),
    )


def check_alike(first: Checkpoint, second: Checkpoint, *, cast: bool = False) -> None:
    """Raise PatchMismatch unless two checkpoints have the same tensors, of the same shapes and types.

    Args:
        first: the base.
        second: the changed one.
        cast: whether another floating-point type is none of the differences.
    """
    reasons, types = [*_differences(first, second)], [*_types(first, second, cast=cast)]
    if not reasons and not types:
        return
    fix = "Compare checkpoints of the same model."
    if not reasons and not [*_types(first, second, cast=True)]:
        fix = f"Round {second.path.name} to the types of {first.path.name}: `cast=True`"
    raise PatchMismatch(
        f"{first.path} and {second.path} can not differ by a patch", why="; ".join([*reasons, *types]), fix=fix
    )


def _types(first: Checkpoint, second: Checkpoint, *, cast: bool) -> Iterator[str]:
    pairs = [(slot, second.slots[name]) for name, slot in sorted(first.slots.items()) if name in second.slots]
    types = [(one, other) for one, other in pairs if one.dtype != other.dtype]
    if cast:
        types = [(one, other) for one, other in types if not {one.dtype, other.dtype} <= {*FLOATS}]
    if types:
        one, other = types[0]
        yield f"{_named([slot.name for slot, _ in types])} of another type ({one.dtype} and {other.dtype})"


def _differences(first: Checkpoint, second: Checkpoint) -> Iterator[str]:
    for here, there in ((first, second), (second, first)):
        if only := sorted(here.slots.keys() - there.slots.keys()):
            yield f"{_named(only)} only in {here.path.name}"
    pairs = [(slot, second.slots[name]) for name, slot in sorted(first.slots.items()) if name in second.slots]
    if shapes := [(one, other) for one, other in pairs if one.raw != other.raw]:
        one, other = shapes[0]
        yield f"{_named([slot.name for slot, _ in shapes])} of another shape ({one.raw} and {other.raw})"


def _named(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names)} tensors ({names[0]} ...) are"
