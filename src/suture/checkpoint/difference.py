"""The patch that turns one checkpoint into another: low-rank where the change is, entries where it is sparse, else dense.

    D = B - A                                  float64; A, B: (n, m) as stored
    D[rows][:, columns] = L R + E              L: (rows, r), R: (r, columns) from a truncated SVD, E: entries that correct

Rounding hides a low rank: in bf16, B - A is the change plus noise as large as half a step of the weights. So a rank is
judged by what it is for: how many entries of cast(A + L R) still differ from B, and how many bytes it takes to name those
exactly. The cheapest form wins, and whatever it is, cast(A + its change) is compared with B bit for bit.

Source of the range finder: Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..delta import Delta, Dense, Entries, LowRank, canonical, edited, touched
from ..errors import NoEffect, PatchMismatch
from ..patch import Patch
from ..provenance import Provenance, Stamp, versions
from .folder import Checkpoint
from .plan import Progress, silent
from .refusals import FLOATS
from .rows import Rows
from .verify import equal

RANKS = 64  # the highest rank looked for; a change of higher rank is stored entry by entry
OVERSAMPLED = 8  # more directions than ranks, so that the last rank is found well
POWER = 2  # multiplications with D D^T that sharpen the range
ENTRY = 12  # bytes of a named entry: int64 and float32
NUMBER = 4  # bytes of a float32


@dataclass(frozen=True)
class Part:
    """How one tensor differs.

    Attributes:
        name: of the tensor.
        kind: "lowrank", "entries", "dense", or sums of them.
        rank: of the low-rank part as stored (its factors, split for exactness, count three times), 0 without one.
        energy: share of |B - A|^2 that the low-rank part holds, 0 without one.
        rows: rows in which the tensors differ.
        changed: entries that differ between A and B.
        wrong: entries of cast(A + D) that are not B's, to the bit.
        worst: largest |cast(A + D) - B|.
    """

    name: str
    kind: str
    rank: int
    energy: float
    rows: int
    changed: int
    wrong: int
    worst: float


def diff(a: Path, b: Path, *, rank: int | None = None, progress: Progress = silent) -> tuple[Patch, list[Part]]:
    """Return the patch that makes B of A, and how each tensor differs.

    Args:
        a: the base checkpoint.
        b: the changed one; same tensors, shapes and types.
        rank: keep only this many ranks of each matrix and correct nothing: small, and not exact.
        progress: called with (what, done, of).

    Raises:
        NoEffect: when they do not differ.
        PatchMismatch: when a tensor is in one of them only, or has another shape or type.
    """
    first, second = Checkpoint.open(a), Checkpoint.open(b)
    for name in sorted(first.slots.keys() | second.slots.keys()):
        one, other = first.slots.get(name), second.slots.get(name)
        if one is None or other is None or (one.dtype, one.raw) != (other.dtype, other.raw):
            raise PatchMismatch(
                f"{a} and {b} can not differ by a patch",
                why=f"{name} is in one of them only, or has another shape or type.",
                fix="Compare checkpoints of the same model.",
            )
    terms: dict[str, tuple[Delta, ...]] = {}
    before, after, parts = {}, {}, []
    for number, (name, slot) in enumerate(sorted(first.slots.items())):
        progress(name, number + 1, len(first.slots))
        if equal(slot, second.slots[name]):
            continue
        if slot.dtype not in FLOATS or not slot.raw:
            raise PatchMismatch(f"{name} differs, and is no floating-point tensor", fix="A patch can not change it.")
        rows = Rows(slot, slot.shape)
        every = torch.arange(slot.shape[0])
        old, new = rows.current(every), Rows(second.slots[name], slot.shape).current(every)
        found = canonical(_terms(old, new, rank))
        made = _made(old, found)
        if not found or _same(old, made).all():
            continue
        terms[name] = found
        reached = touched(found, slot.shape)
        before[name], after[name] = Stamp.of(old, old.dtype, reached), Stamp.of(made, old.dtype, reached)
        parts.append(_part(name, found, old, new, made))
    if not terms:
        raise NoEffect(f"{a} and {b} do not differ", fix="Compare with the checkpoint before the change.")
    changed, wrong = sum(part.changed for part in parts), sum(part.wrong for part in parts)
    settings = {"a": a.name, "b": b.name, "rank": rank}
    effect: dict[str, float] = {"entries": changed, "wrong": wrong}
    base = {"name": a.name, "revision": ""}
    made_by = Provenance("diff", settings, base, {}, effect, [], versions())
    return Patch(terms, before, made_by, after), parts


def _terms(old: Tensor, new: Tensor, rank: int | None) -> list[Delta]:
    """Return the cheapest change that makes `new` of `old` (with `rank`: the best of that rank)."""
    change = torch.nan_to_num(new.double() - old.double(), nan=0.0, posinf=0.0, neginf=0.0)
    shape = tuple(old.shape)
    index = change.view(-1).nonzero()[:, 0]
    if not len(index):
        return []
    sparse = Entries(index, change.view(-1)[index].float())
    dense = Dense(change.float())
    plain: Delta = sparse if ENTRY * len(index) < NUMBER * change.numel() else dense
    choices: list[tuple[int, list[Delta]]] = [(_bytes(plain), [plain])]
    if len(shape) == 2:
        for low in _low_ranks(change, rank, old.element_size() > 2):
            if rank is not None:
                return [low]
            repaired = [low, *_corrections(old, new, [low])]
            choices.append((sum(_bytes(term) for term in repaired), repaired))
    _, chosen = min(choices, key=lambda choice: choice[0])
    if rank is None and not any(isinstance(term, LowRank) for term in chosen):
        chosen = [*chosen, *_corrections(old, new, chosen)]
    return chosen


def _low_ranks(change: Tensor, rank: int | None, fine: bool) -> Iterator[LowRank]:
    """Yield low-rank forms of a change, of the asked rank or of a few that its spectrum suggests.

    Args:
        change: (n, m) float64.
        rank: asked for, or None.
        fine: also yield forms that are more exact than float32 factors, at three times the size.
    """
    rows, columns = (change != 0).any(1).nonzero()[:, 0], (change != 0).any(0).nonzero()[:, 0]
    part = change[rows][:, columns]
    most = min(rank or RANKS, *part.shape)
    left, values, right = _svd(part, most)
    where = (None if len(rows) == change.shape[0] else rows, None if len(columns) == change.shape[1] else columns)
    for r in [most] if rank else _suggested(values):
        scale = values[:r].sqrt()
        one, other = left[:, :r] * scale, scale[:, None] * right[:r]
        yield LowRank(one.float().contiguous(), other.float().contiguous(), *where)
        if fine and rank is None:
            # L R = (l + dl)(r + dr) without the last, smallest product; l, dl, r, dr float32.
            (l1, dl), (r1, dr) = _split(one), _split(other)
            yield LowRank(torch.cat([l1, l1, dl], 1), torch.cat([r1, dr, r1]), *where)


def _split(factor: Tensor) -> tuple[Tensor, Tensor]:
    """Return a float64 factor as a sum of two float32 ones."""
    high = factor.float()
    return high, (factor - high.double()).float()


def _suggested(values: Tensor) -> list[int]:
    """Return the ranks after which the spectrum falls most steeply."""
    values = values[values > 0]
    if len(values) < 2:
        return list(range(1, len(values) + 1))
    falls = values[:-1] / values[1:]
    steepest = falls.argsort(descending=True)[:2] + 1
    return sorted({*(int(r) for r in steepest)})


def _svd(matrix: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the leading singular vectors and values: (n, most), (most,), (most, m)."""
    if min(matrix.shape) <= 4 * (most + OVERSAMPLED):
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        return left[:, :most], values[:most], right[:most]
    generator = torch.Generator().manual_seed(0)
    width = most + OVERSAMPLED
    basis = matrix @ torch.randn(matrix.shape[1], width, generator=generator, dtype=matrix.dtype)
    for _ in range(POWER):
        basis = matrix @ (matrix.T @ torch.linalg.qr(basis).Q)
    basis = torch.linalg.qr(basis).Q
    left, values, right = torch.linalg.svd(basis.T @ matrix, full_matrices=False)
    return (basis @ left)[:, :most], values[:most], right[:most]


def _corrections(old: Tensor, new: Tensor, terms: list[Delta]) -> list[Delta]:
    """Return the entries that are still wrong, as one more change; none if there are none."""
    shape = tuple(old.shape)
    index = (~_same(_made(old, canonical(terms)), new)).view(-1).nonzero()[:, 0]
    reached = sum((term.at(torch.arange(shape[0]), shape) for term in terms), torch.zeros(shape, dtype=torch.float64))
    rest = (new.double() - old.double() - reached).view(-1)[index]
    good = torch.isfinite(rest) & (rest.float() != 0)
    return [Entries(index[good], rest[good].float())] if bool(good.any()) else []


def _made(old: Tensor, terms: tuple[Delta, ...]) -> Tensor:
    made = old.clone()
    if terms:
        for rows, values in edited(old, terms, old.dtype):
            made[rows] = values
    return made


def _same(a: Tensor, b: Tensor) -> Tensor:
    """Return which entries are equal to the bit."""
    as_integers = {8: torch.int64, 4: torch.int32, 2: torch.int16}[a.element_size()]
    return a.view(as_integers) == b.view(as_integers)


def _bytes(term: Delta) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in term.tensors().values())


def _part(name: str, terms: tuple[Delta, ...], old: Tensor, new: Tensor, made: Tensor) -> Part:
    differs, off = ~_same(old, new), ~_same(made, new)
    change = new.double() - old.double()
    low = next((term for term in terms if isinstance(term, LowRank)), None)
    energy = 0.0
    if low is not None:
        shape = tuple(old.shape)
        rest = change - low.at(torch.arange(shape[0]), shape)
        energy = 1 - float(rest.square().sum() / change.square().sum())
    gap = (made.double() - new.double()).abs()
    worst = float(gap[torch.isfinite(gap)].max()) if bool(torch.isfinite(gap).any()) else math.nan
    kinds = " + ".join(sorted((term.kind for term in terms), reverse=True))
    rows = int(differs.view(old.shape[0], -1).any(1).sum())
    rank = 0 if low is None else low.left.shape[1]
    return Part(name, kinds, rank, energy, rows, int(differs.sum()), int(off.sum()), worst)
