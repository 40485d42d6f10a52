"""The change to one weight: low-rank, single entries, dense, or a shift of what a module puts out.

A delta lives in the coordinates of the tensor as it is stored on disk, whatever its orientation, so that a patch can be
put on a checkpoint by a reader that knows nothing of the architecture. Shapes: weight (n, m), or (n,) for a bias.

    W' = cast(W64 + sum_i scale_i * D64_i)        one rounding, from float64, at the very end

Factors are float32. A product of two float32 numbers is exact in float64, and the products are added rank by rank in a
fixed order, so the sum does not depend on the number of threads, on chunking or on the linear-algebra library.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..numerics.rounding import nearest
from .delta_kind import Delta, chunks, row_size

HIGHEST_RANK = (
    4  # times the smaller side of the matrix; a change of higher rank is a Dense one, or made to keep us busy
)
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # with the same bits as a number of so many bytes


@dataclass(frozen=True, eq=False)
class LowRank(Delta):
    """`D[rows][:, columns] = left @ right`, zero elsewhere.

    Attributes:
        left: (rows, rank) float32.
        right: (rank, columns) float32.
        rows: (rows,) int64, sorted and unique; None for all rows.
        columns: (columns,) int64, sorted and unique; None for all columns.

    Example:
        >>> import torch
        >>> from suture import LowRank
        >>> LowRank(torch.ones(2, 1), torch.ones(1, 3), rows=torch.tensor([4, 7])).touched_rows((8, 3))
        tensor([4, 7])
    """

    kind = "lowrank"
    direction = "right"
    left: Tensor
    right: Tensor
    rows: Tensor | None = None
    columns: Tensor | None = None

    def touched_rows(self, shape: tuple[int, ...]) -> Tensor:
        """Rows of the weight that the low-rank change reaches."""
        return torch.arange(shape[0]) if self.rows is None else self.rows

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """See `Delta.at`; added up one rank at a time, in order."""
        here, local = _positions(self.rows, rows)
        left, right = self.left[local].double(), self.right.double()
        part = left[:, :1] * right[:1] if len(right) else torch.zeros(len(local), right.shape[1], dtype=torch.float64)
        for rank in range(1, len(right)):  # products are exact: it is the same sum where they are fused with it
            part.addcmul_(left[:, rank, None], right[rank])
        change = part if self.scale == 1 else part.mul_(self.scale)
        if len(here) < len(rows):
            change = torch.zeros(len(rows), self.right.shape[1], dtype=torch.float64)
            change[here] = part
        if self.columns is None:
            return change
        full = torch.zeros(len(rows), shape[1], dtype=torch.float64)
        full[:, self.columns] = change
        return full

    def effect(self, inputs: Tensor, shape: tuple[int, ...], *, transposed: bool) -> Tensor:
        """See `Delta.effect`; never makes the matrix, so only the rank and the rows touched cost anything."""
        right, left = (self.left.T, self.right.T) if transposed else (self.right, self.left)
        reads = self.rows if transposed else self.columns
        part = inputs if reads is None else inputs[..., reads.to(inputs.device)]
        return (part.to(right.dtype) @ right.to(inputs.device).T) @ left.to(inputs.device).T

    def touched_outputs(self, *, transposed: bool) -> Tensor | None:
        """Return which outputs `effect` speaks of (its last axis), or None for all."""
        return self.columns if transposed else self.rows

    def transposed(self) -> LowRank:
        """Return the same change to the transposed weight."""
        return LowRank(self.right.T.contiguous(), self.left.T.contiguous(), self.columns, self.rows, scale=self.scale)

    def placed(self, rows: Tensor | None, columns: Tensor | None) -> LowRank:
        """Return the change as one of the given rows and columns (sorted; None: the same) of a larger tensor."""
        return replace(self, rows=_within(self.rows, rows), columns=_within(self.columns, columns))

    def _misfit(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 2:
            return "a low-rank change needs a matrix"
        if self.left.dim() != 2 or self.right.dim() != 2 or self.left.shape[1] != self.right.shape[0]:
            return f"factors {tuple(self.left.shape)} and {tuple(self.right.shape)} do not multiply"
        if self.left.shape[1] > HIGHEST_RANK * min(shape):
            return f"a rank of {self.left.shape[1]}"
        for name, index, size, count in (
            ("rows", self.rows, shape[0], self.left.shape[0]),
            ("columns", self.columns, shape[1], self.right.shape[1]),
        ):
            if index is None:
                if count != size:
                    return f"it has {count} {name}, the weight {size}"
            elif problem := _bad_index(index, count, size):
                return f"{name}: {problem}"
        return ""


@dataclass(frozen=True, eq=False)
class Entries(Delta):
    """Single entries: D.flat[index] = values.

    Attributes:
        index: (count,) int64 positions in the flattened weight, sorted and unique.
        values: (count,) float32.
    """

    kind = "entries"
    direction = "values"
    index: Tensor
    values: Tensor

    def touched_rows(self, shape: tuple[int, ...]) -> Tensor:
        """Rows that hold at least one changed entry."""
        return torch.unique(self.index // row_size(shape))

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """See `Delta.at`."""
        width = row_size(shape)
        change = torch.zeros(len(rows), width, dtype=torch.float64)
        place = torch.full((shape[0],), -1, dtype=torch.int64)
        place[rows] = torch.arange(len(rows))
        row = place[self.index // width]
        change[row[row >= 0], (self.index % width)[row >= 0]] = self.values.double()[row >= 0] * self.scale
        return change.view(len(rows), *shape[1:])

    def effect(self, inputs: Tensor, shape: tuple[int, ...], *, transposed: bool) -> Tensor:
        """See `Delta.effect`; a sparse product."""
        place = torch.stack([self.index // shape[1], self.index % shape[1]])
        if not transposed:
            place = place.flip(0)  # the map of a row vector is the transpose of (out, in)
        size = shape if transposed else shape[::-1]
        matrix = torch.sparse_coo_tensor(place, self.values, size, device=inputs.device, check_invariants=True)
        flat = inputs.to(self.values.dtype).reshape(-1, inputs.shape[-1])
        return torch.sparse.mm(matrix.t(), flat.T).T.reshape(*inputs.shape[:-1], size[1])

    def _misfit(self, shape: tuple[int, ...]) -> str:
        if self.values.shape != self.index.shape:
            return "index and values differ in length"
        return _bad_index(self.index, len(self.index), int(torch.Size(shape).numel()))


@dataclass(frozen=True, eq=False)
class Dense(Delta):
    """The whole tensor changes by `values`, float32 of the weight's shape."""

    kind = "dense"
    direction = "values"
    values: Tensor

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """See `Delta.at`."""
        return self.values[rows].double() * self.scale

    def effect(self, inputs: Tensor, shape: tuple[int, ...], *, transposed: bool) -> Tensor:
        """See `Delta.effect`."""
        weight = self.values.to(inputs.device)
        return inputs.to(weight.dtype) @ (weight if transposed else weight.T)

    def _misfit(self, shape: tuple[int, ...]) -> str:
        return "" if tuple(self.values.shape) == shape else f"it has shape {tuple(self.values.shape)}"


@dataclass(frozen=True, eq=False)
class Shift(Delta):
    """A constant added to what a module puts out: `vector` (out,) float32. Folded into a bias where there is one."""

    kind = "shift"
    direction = "vector"
    vector: Tensor

    def at(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """See `Delta.at`; the stored tensor is a bias."""
        return self.vector[rows].double() * self.scale

    def effect(self, inputs: Tensor, shape: tuple[int, ...], *, transposed: bool) -> Tensor:
        """See `Delta.effect`; the same for every input."""
        return self.vector.to(inputs.device).expand(*inputs.shape[:-1], -1)

    def _misfit(self, shape: tuple[int, ...]) -> str:
        return "" if tuple(self.vector.shape) == shape else f"it has shape {tuple(self.vector.shape)}"


KINDS: dict[str, type[Delta]] = {kind.kind: kind for kind in (LowRank, Entries, Dense, Shift)}


def change(terms: tuple[Delta, ...], rows: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the summed change of some rows in float64. `terms` are in canonical order (see `canonical`)."""
    total = terms[0].at(rows, shape)
    for term in terms[1:]:
        total += term.at(rows, shape)
    return total


def canonical(terms: list[Delta] | tuple[Delta, ...]) -> tuple[Delta, ...]:
    """Return the terms in the one order in which they are summed, whatever order they came in."""
    if len(terms) < 2:  # nothing to hash
        return tuple(terms)
    return tuple(sorted(terms, key=lambda term: term.digest()))


def touched(terms: Sequence[Delta], shape: tuple[int, ...]) -> Tensor:
    """Return the sorted numbers of the rows that some of the terms can change, int64."""
    rows = [term.touched_rows(shape) for term in terms]
    return torch.unique(torch.cat(rows)) if rows else torch.zeros(0, dtype=torch.int64)


def edited(weight: Tensor, terms: tuple[Delta, ...], dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (rows, new values) in chunks: float64 arithmetic, one rounding to `dtype`.

    Args:
        weight: the tensor as stored, its values on the grid of `dtype`.
        terms: the changes, in canonical order.
        dtype: the type the tensor has on disk.
    """
    shape = tuple(weight.shape)
    for part in chunks(touched(terms, shape), shape):
        yield part, rounded(weight[part.to(weight.device)].detach().cpu(), terms, part, shape, dtype)


def rounded(old: Tensor, terms: tuple[Delta, ...], rows: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return the new values of some rows of a weight of `shape`; the one place where a change is rounded.

    Args:
        old: the rows as stored, (len(rows), ...).
        terms: the changes, in canonical order.
        rows: their numbers.
        shape: of the whole weight.
        dtype: the type the tensor has on disk.
    """
    moved = change(terms, rows, shape)
    if _kept_by_zero(old):
        return nearest(moved.add_(old.double()), dtype)
    # Where nothing changes the old bits stay: -0.0 + 0.0 would be +0.0, and a cast gives every NaN the same bits.
    still = moved == 0
    return torch.where(still, old.to(dtype), nearest(moved.add_(old.double()), dtype))


def _kept_by_zero(values: Tensor) -> bool:
    """Return whether adding zero leaves every bit: no NaN is among the values, no -0.0 (as an integer, the least there is)."""
    integers = INTEGERS.get(values.dtype.itemsize)
    if integers is None or not values.numel():
        return False
    return int(values.view(integers).min()) != torch.iinfo(integers).min and not bool(values.amax().isnan())


def _positions(index: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return (where in `rows`, where in `index`) for the rows both have; an index of None has all."""
    if index is None:
        return torch.arange(len(rows)), rows
    place = torch.searchsorted(index, rows).clamp(max=max(len(index) - 1, 0))
    here = (index[place] == rows).nonzero()[:, 0]
    return here, place[here]


def _within(index: Tensor | None, outer: Tensor | None) -> Tensor | None:
    """Return numbers that count within `outer` as what they are outside."""
    if outer is None or index is None:
        return index if outer is None else outer
    return outer[index]


def _bad_index(index: Tensor, count: int, size: int) -> str:
    if index.dim() != 1 or len(index) != count or index.dtype != torch.int64:
        return f"expected {count} int64 numbers"
    if len(index) and (int(index[0]) < 0 or int(index[-1]) >= size):
        return f"outside 0..{size - 1}"
    return "" if bool((index[1:] > index[:-1]).all()) else "not sorted or not unique"
