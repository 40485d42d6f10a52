"""What every kind of change to one weight can do; the kinds themselves are in `delta`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from ..errors import CorruptFile, UsageError

CHUNK = 1 << 22  # entries of a delta materialised at a time: 32 MB of float64
D = TypeVar("D", bound="Delta")


@dataclass(frozen=True, eq=False)
class Delta:
    """What every kind of delta can do. Use one of the subclasses.

    Attributes:
        scale: strength; the change is `scale` times what the tensors say.
    """

    kind: ClassVar[str]
    direction: ClassVar[str]  # the tensor that `randomised` replaces
    scale: float = field(default=1.0, kw_only=True)

    def tensors(self) -> dict[str, Tensor]:
        """Return the stored tensors by name."""
        return {f.name: t for f in fields(self) if isinstance(t := getattr(self, f.name), Tensor)}

    def settings(self) -> dict[str, Any]:
        """Return what else the delta is told, as JSON can hold it."""
        return {}

    def scaled(self, factor: float) -> Delta:
        """Return the same change, `factor` times as strong.

        Raises:
            UsageError: when that is no finite strength.
        """
        scale = self.scale * factor
        if not math.isfinite(scale):
            raise UsageError(
                f"can not scale a change of strength {self.scale:g} by {factor:g}",
                why="The product is no finite number.",
                fix="Give a smaller strength: 1 is the patch as made.",
            )
        return replace(self, scale=scale)

    def check(self, shape: tuple[int, ...], where: str) -> None:
        """Raise CorruptFile unless the delta fits a tensor of `shape` and holds only finite numbers."""
        if not math.isfinite(self.scale):
            raise CorruptFile(f"{where}: its strength is {self.scale}", fix="Make the patch again.")
        for name, tensor in self.tensors().items():
            parts = tensor.reshape(-1).split(CHUNK) if tensor.is_floating_point() else ()  # not another tensor as large
            if not all(bool(torch.isfinite(part).all()) for part in parts):
                raise CorruptFile(f"{where}: {self.kind}.{name} holds NaN or infinity", fix="Make the patch again.")
        problem = self._misfit(shape)
        if problem:
            raise CorruptFile(
                f"{where}: {problem}", why=f"The weight has shape {shape}.", fix="Use the model it is for."
            )

    def touched_rows(self, shape: tuple[int, ...]) -> Tensor:
        """Return the sorted numbers of the rows (first axis) that can change, int64."""
        return torch.arange(shape[0])

    def digest(self) -> str:
        """Return a hash of kind, scale and contents; the canonical order of terms is by this."""
        settings = "".join(f" {name}={value!r}" for name, value in sorted(self.settings().items()))
        state = hashlib.sha256(f"{self.kind} {self.scale!r}{settings}".encode())
        for name, tensor in sorted(self.tensors().items()):
            state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            state.update(tensor.detach().cpu().reshape(-1).numpy().data)
        return state.hexdigest()

    def norm(self, shape: tuple[int, ...]) -> float:
        """Return the Frobenius norm of the change, scale included."""
        total = 0.0
        for rows in chunks(self.touched_rows(shape), shape):
            total += float(self.at(rows, shape).square().sum())
        return total**0.5

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the change of some rows in float64, scale included: (len(rows), ...)."""
        raise NotImplementedError

    def effect(self, inputs: Tensor, shape: tuple[int, ...], *, transposed: bool) -> Tensor:
        """Return what the change adds to a linear map of `inputs`, at scale 1: (..., in) -> (..., touched outputs).

        Args:
            inputs: what the module receives, any float dtype.
            shape: of the stored weight.
            transposed: the weight is stored (in, out) instead of (out, in).
        """
        raise NotImplementedError

    def touched_outputs(self, *, transposed: bool) -> Tensor | None:
        """Return which outputs `effect` speaks of (its last axis), or None for all."""
        return None

    def randomised(self, generator: torch.Generator) -> Delta:
        """Return a change of the same place and size in a random direction, for controls."""
        name = self.direction
        changed: dict[str, Any] = {name: _random_like(getattr(self, name), generator)}
        return replace(self, **changed)

    def _misfit(self, shape: tuple[int, ...]) -> str:
        return ""


def by_tensor(changes: Iterable[tuple[str, D]]) -> dict[str, list[D]]:
    """Return changes, each with the name of its tensor, by these names."""
    terms: dict[str, list[D]] = {}
    for tensor, change in changes:
        terms.setdefault(tensor, []).append(change)
    return terms


def chunks(rows: Tensor, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """Yield numbers of rows in groups that are materialised together."""
    yield from rows.split(max(1, CHUNK // row_size(shape)))


def row_size(shape: tuple[int, ...]) -> int:
    """Return the numbers in one row."""
    return int(torch.Size(shape[1:]).numel())


def _random_like(values: Tensor, generator: torch.Generator) -> Tensor:
    """Return random numbers with the same norm in every row."""
    noise = torch.randn(values.shape, generator=generator)
    return noise / noise.norm(dim=-1, keepdim=True) * values.norm(dim=-1, keepdim=True)
