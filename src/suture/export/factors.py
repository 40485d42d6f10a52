"""A patch as pairs of factors, one for each matrix the model multiplies with: what an adapter holds.

    D = sum_i scale_i * left_i @ right_i = left @ right          left: (out, rank)   right: (rank, in)   D: (out, in)

The terms of one matrix are put side by side, so nothing is lost but the rounding of `scale * left` to float32 (none for a
scale of 1). A change that is no product of factors (entries, dense) has them only as an approximation: the best of a rank
is its truncated singular value decomposition, which keeps the share sum_{i<=rank} s_i^2 / sum_i s_i^2 of the squared norm.
Shifts change vectors and have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..errors import NoEffect, UsageError
from ..model.arch.anatomy import is_transposed
from ..model.lm import LM
from ..patch.delta import LowRank, change
from ..patch.delta_kind import Delta
from ..patch.patch import Patch

NOTHING = 1e-7  # singular values below this share of the largest are rounding of float32 factors


@dataclass(frozen=True, eq=False)
class Factors:
    """The change of one matrix.

    Attributes:
        left: (out, rank) float32.
        right: (rank, in) float32.
        kept: share of the squared norm of the change that left @ right holds.
    """

    left: Tensor
    right: Tensor
    kept: float = 1.0

    @property
    def rank(self) -> int:
        """Number of columns of `left`."""
        return self.left.shape[1]

    def padded(self, rank: int) -> Factors:
        """Return the same change with zeros up to a rank."""
        more = rank - self.rank
        left, right = (nn.functional.pad(self.left, (0, more)), nn.functional.pad(self.right, (0, 0, 0, more)))
        return replace(self, left=left, right=right)


@dataclass(frozen=True, eq=False)
class Adapted:
    """The change of one live parameter.

    Attributes:
        parameter: its name in the live model.
        module: that holds it.
        transposed: it is stored (in, out).
        factors: one, or one for each expert of a 3-D parameter.
    """

    parameter: str
    module: nn.Module
    transposed: bool
    factors: list[Factors]

    @property
    def path(self) -> str:
        """Name of the module in the live model."""
        return self.parameter.rpartition(".")[0]

    @property
    def linear(self) -> bool:
        """Whether the module is a linear layer, which multiplies its input with this matrix and does nothing else."""
        return isinstance(self.module, nn.Linear) or type(self.module).__name__ == "Conv1D"

    @property
    def rank(self) -> int:
        """The largest rank of its factors."""
        return max(factors.rank for factors in self.factors)

    @property
    def kept(self) -> float:
        """The smallest share kept of its factors."""
        return min(factors.kept for factors in self.factors)


@dataclass(frozen=True, eq=False)
class _Piece:
    """The changes of one checkpoint tensor, and which rows of the live parameter its rows are."""

    terms: tuple[Delta, ...]
    rows: Tensor  # (rows of the tensor,) int64
    shape: tuple[int, ...]


def adapted(lm: LM, patch: Patch, rank: int | None = None) -> list[Adapted]:
    """Return the factors of every matrix that a patch changes, in the order of their names.

    Args:
        lm: the model.
        patch: for this model.
        rank: approximate what has a higher rank, or no factors, by this one.

    Raises:
        UsageError: for a change that has no factors of that rank, or that belongs to no matrix.
        NoEffect: when nothing is changed.
    """
    if rank is not None and rank < 1:
        raise UsageError(f"no rank {rank}", fix="Give a rank of 1 or more.")
    patch.check_base(lm)
    pieces: dict[str, list[_Piece]] = {}
    for name, terms in patch.terms.items():
        if active := tuple(term for term in terms if term.scale):
            _refuse(lm, name, active, rank)
            pieces.setdefault(lm.anatomy.form(name).live, []).append(_piece(lm, name, active))
    if not pieces:
        raise NoEffect("the patch changes nothing", why="All of its terms have scale 0.", fix="Scale it to 1.")
    return [_adapted(lm, live, parts, rank) for live, parts in sorted(pieces.items())]


def _refuse(lm: LM, name: str, terms: tuple[Delta, ...], rank: int | None) -> None:
    module = lm.anatomy.owner(name)[0]
    out = "Use `export.checkpoint`, which can hold any change."
    if len(lm.tensor(name).shape) != 2:
        fix = f"{out} Shifts of the residual stream: `export.gguf_control`."
        raise UsageError(f"{name} has no low-rank change", why="It is a vector; adapters change matrices.", fix=fix)
    if isinstance(module, nn.Embedding):
        raise UsageError(f"{name} has no place in an adapter", why="It is an embedding table.", fix=out)
    others = sorted({term.kind for term in terms if not isinstance(term, LowRank)})
    if others and rank is None:
        raise UsageError(
            f"{name} has no exact low-rank change",
            why=f"It is changed by {' and '.join(others)}, not by a product of two small matrices.",
            fix=f"Give `rank=R` for the best approximation; the share kept is reported. {out}",
        )


def _piece(lm: LM, name: str, terms: tuple[Delta, ...]) -> _Piece:
    """Find the rows of the live parameter, its experts one below the other, in which a checkpoint tensor lies."""
    form = lm.anatomy.form(name)
    width = lm.model.get_parameter(form.live).shape[-1]
    if form.stride[1] != 1 or form.stride[0] % width or form.offset % width or form.shape[1] != width:
        raise UsageError(
            f"{name} has no place in an adapter",
            why="The checkpoint keeps it turned or cut across the inputs of the live matrix.",
            fix="Use `export.checkpoint`.",
        )
    rows = form.offset // width + torch.arange(form.shape[0]) * (form.stride[0] // width)
    return _Piece(terms, rows, form.shape)


def _adapted(lm: LM, live: str, pieces: list[_Piece], rank: int | None) -> Adapted:
    parameter = lm.model.get_parameter(live)
    module = lm.model.get_submodule(live.rpartition(".")[0])
    transposed = is_transposed(module)
    height, width = parameter.shape[-2:]
    factors = []
    for expert in range(parameter.shape[0] if parameter.dim() == 3 else 1):
        pair = _expert(pieces, expert * height, height, width, rank)
        if transposed:
            pair = replace(pair, left=pair.right.T.contiguous(), right=pair.left.T.contiguous())
        factors.append(pair)
    return Adapted(live, module, transposed, factors)


def _expert(pieces: list[_Piece], begin: int, height: int, width: int, rank: int | None) -> Factors:
    """Return the factors of rows begin .. begin + height of the parameter."""
    if all(isinstance(term, LowRank) for piece in pieces for term in piece.terms):
        parts = [part for piece in pieces for part in _products(piece, begin, height, width)]
        left = torch.cat([torch.zeros(height, 0, dtype=torch.float64), *(part[0] for part in parts)], 1)
        right = torch.cat([torch.zeros(0, width, dtype=torch.float64), *(part[1] for part in parts)])
        if rank is None or left.shape[1] <= rank:
            return Factors(left.float(), right.float())
        first, upper = torch.linalg.qr(left)
        second, lower = torch.linalg.qr(right.T)
        return _truncated(upper @ lower.T, rank, first, second)
    assert rank is not None
    full = torch.zeros(height, width, dtype=torch.float64)
    for piece in pieces:
        here = ((piece.rows >= begin) & (piece.rows < begin + height)).nonzero()[:, 0]
        full[piece.rows[here] - begin] += change(piece.terms, here, piece.shape)
    return _truncated(full, rank)


def _products(piece: _Piece, begin: int, height: int, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (height, rank) and (rank, width) of each term that reaches the rows, in float64."""
    for term in piece.terms:
        assert isinstance(term, LowRank)
        rows = piece.rows if term.rows is None else piece.rows[term.rows]
        here = (rows >= begin) & (rows < begin + height)
        if not bool(here.any()):
            continue
        left = torch.zeros(height, term.left.shape[1], dtype=torch.float64)
        left[rows[here] - begin] = term.left.double()[here] * term.scale
        right = torch.zeros(term.right.shape[0], width, dtype=torch.float64)
        right[:, slice(None) if term.columns is None else term.columns] = term.right.double()
        yield left, right


def _truncated(matrix: Tensor, rank: int, first: Tensor | None = None, second: Tensor | None = None) -> Factors:
    """Return the best factors of first @ matrix @ second.T of a rank; both have orthonormal columns (None: identity)."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    rank = min(rank, int((s > NOTHING * s[:1]).sum()))
    total = float(s.square().sum())
    root = s[:rank].sqrt()  # shared out evenly, so that neither factor is large
    left, right = u[:, :rank] * root, root[:, None] * vh[:rank]
    left = left if first is None else first @ left
    right = right if second is None else right @ second.T
    left, right = left.float(), right.float()
    rest = float(s[rank:].square().sum())
    exact = rest <= (NOTHING**2) * total
    return Factors(left, right, 1.0 if exact else 1 - rest / total)
