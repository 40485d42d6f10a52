"""The patch that turns one checkpoint into another: low-rank where the change is, entries where it is sparse, else dense.

    D = B - A                                  float64; A, B: (n, m) as stored
    D[rows][:, columns] = L R + E              L: (rows, r), R: (r, columns) from a truncated SVD, E: entries that correct

Rounding hides a low rank: in bf16, B - A is the change plus noise as large as half a step of the weights. So a rank is
judged by what it is for: how many entries of cast(A + L R) still differ from B, and how many bytes it takes to name those
exactly. The cheapest form wins, and whatever it is, cast(A + its change) is compared with B bit for bit. The sign of a zero
is a change, too: one so small that it rounds away and leaves its sign. What no sum can give (see `unsaid.py`) is refused.

Source of the range finder: Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm 4.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import NoEffect, PatchMismatch
from ..numerics.rounding import nearest
from ..patch.delta import Dense, Entries, LowRank, canonical, edited, touched
from ..patch.delta_kind import Delta
from ..patch.patch import Patch
from ..patch.provenance import Provenance, Stamp, versions
from .change.plan import Progress, silent
from .change.rows import Rows
from .change.unsaid import Unsaid, check_alike, unsaid_error
from .format.folder import Checkpoint
from .format.kind import check_kind
from .format.reading import reading
from .format.spans import equal
from .format.unsupported import FLOATS

RANKS = 64  # the highest rank looked for; a change of higher rank is stored entry by entry
OVERSAMPLED = 8  # more directions than ranks, so that the last rank is found well
POWER = 2  # multiplications with D D^T that sharpen the range
ENTRY = 12  # bytes of a named entry: int64 and float32
NUMBER = 4  # bytes of a float32
SIGN = 2.0**-200  # a change that rounds to a zero of its sign in every type narrower than float64
ROUNDS = 4  # of corrections: 24 bits each, a float64 sum has 53, and the last sets signs of zero


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
        worst: largest |cast(A + D) - B| of those that are finite.
        unsaid: what those are that no change gives, and where.
    """

    name: str
    kind: str
    rank: int
    energy: float
    rows: int
    changed: int
    wrong: int
    worst: float
    unsaid: Unsaid


def diff(
    a: Path,
    b: Path,
    *,
    rank: int | None = None,
    inexact: bool = False,
    cast: bool = False,
    progress: Progress = silent,
) -> tuple[Patch, list[Part]]:
    """Return the patch that makes B of A, bit for bit, and how each tensor differs.

    Args:
        a: the base checkpoint.
        b: the changed one; same tensors, shapes and, unless `cast`, types.
        rank: keep only this many ranks of each matrix and correct nothing: small, and not exact.
        inexact: leave out what no change can give instead of refusing it.
        cast: round B to the types of A first; the patch makes that of A.
        progress: called with (what, done, of).

    Raises:
        NoEffect: when they do not differ.
        PatchMismatch: when a tensor is in one of them only, or has another shape or type.
        VerificationFailed: when no change gives B to the bit (unless `rank` or `inexact`), or there is none at all to be left.
        ResourceError, CorruptFile: when one of them is being changed, or a change of it was not finished.
        UnsupportedModel: when one of them is of a kind that suture does not change.
    """
    with reading(a) as first, reading(b) as second:
        return _diff(first, second, rank, inexact or rank is not None, cast, progress)


def _diff(
    first: Checkpoint, second: Checkpoint, rank: int | None, inexact: bool, cast: bool, progress: Progress
) -> tuple[Patch, list[Part]]:
    a, b = first.path, second.path
    for checkpoint in (first, second):
        check_kind(checkpoint.path, checkpoint.config)
    check_alike(first, second, cast=cast)
    terms: dict[str, tuple[Delta, ...]] = {}
    before, after, parts = {}, {}, []
    for number, (name, slot) in enumerate(sorted(first.slots.items())):
        progress(f"tensors: {name}", number + 1, len(first.slots))
        if slot.dtype == second.slots[name].dtype and equal(slot, second.slots[name]):
            continue
        if slot.dtype not in FLOATS or not slot.raw:
            raise PatchMismatch(f"{name} differs, and is no floating-point tensor", fix="A patch can not change it.")
        rows = Rows(slot, slot.shape)
        every = torch.arange(slot.shape[0])
        old, new = rows.current(every), Rows(second.slots[name], slot.shape).current(every)
        if new.dtype != old.dtype:
            new = nearest(new.double(), old.dtype)
            if _same(old, new).all():
                continue
        deltas = canonical(_terms(old, new, rank))
        patched = _patched(old, deltas)
        parts.append(_part(name, deltas, old, new, patched, rank))
        if _same(old, patched).all():
            continue
        terms[name] = deltas
        reached = touched(deltas, slot.shape)
        before[name], after[name] = Stamp.of(old, old.dtype, reached), Stamp.of(patched, old.dtype, reached)
    if not parts:
        raise NoEffect(f"{a} and {b} do not differ", fix="Compare with the checkpoint before the change.")
    changed, wrong = sum(part.changed for part in parts), sum(part.wrong for part in parts)
    if (wrong and not inexact) or not terms:
        raise unsaid_error(a, b, {part.name: part.unsaid for part in parts if part.wrong}, rest=bool(terms))
    settings = {"a": a.name, "b": b.name, "rank": rank, **({"cast": True} if cast else {})}
    effect: dict[str, float] = {"entries": changed, "wrong": wrong}
    base = {"name": a.name, "revision": ""}
    made_by = Provenance("diff", settings, base, {}, effect, [], versions())
    return Patch(terms, before, made_by, after), parts


def _terms(old: Tensor, new: Tensor, rank: int | None) -> list[Delta]:
    """Return the change that makes `new` of `old`: of those with fewest wrong entries the smallest.

    With `rank`: the best matrix of that rank, or for other tensors the change as float32; nothing is corrected then.
    """
    change = _finite(new.double() - old.double())
    index = change.view(-1).nonzero()[:, 0]
    plain: list[Delta] = []
    if len(index):
        sparse = ENTRY * len(index) < NUMBER * change.numel()
        plain = [Entries(index, _narrow(change.view(-1)[index])) if sparse else Dense(_narrow(change))]
    low = [*_low_ranks(change, rank, old.element_size() > 2)] if plain and len(old.shape) == 2 else []
    if rank is not None:
        return [low[0]] if low else plain
    starts: list[list[Delta]] = [plain]
    starts += [[form] for form in low]
    choices = [_corrected(old, new, start) for start in starts]
    return min(choices, key=lambda choice: (choice[1], sum(map(_bytes, choice[0]))))[0]


def _finite(change: Tensor) -> Tensor:
    """Return a change, in place, with zero where it is no finite number."""
    return change.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)


def _narrow(change: Tensor) -> Tensor:
    """Return a change as float32; what is larger than any is as large as there is, and the rest of it a further change."""
    most = torch.finfo(torch.float32).max
    return change.float().clamp_(-most, most)


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


def _corrected(old: Tensor, new: Tensor, terms: Sequence[Delta]) -> tuple[list[Delta], int]:
    """Return a change with the entries that are still wrong as further terms, and how many are wrong in the end."""
    shape, every = tuple(old.shape), torch.arange(old.shape[0])
    terms, wrong = [*terms], ~_same(_patched(old, canonical(terms)), new)
    for _ in range(ROUNDS):
        index = (wrong & old.isfinite() & new.isfinite()).view(-1).nonzero()[:, 0]
        rest = (new.double() - old.double()).view(-1)[index]
        for term in terms:
            rest -= term.at(every, shape).view(-1)[index]
        more: list[Delta] = []
        if bool((apart := rest.float() != 0).any()):
            more.append(Entries(index[apart], _narrow(rest[apart])))
        if old.dtype != torch.float64 and bool((turned := (rest == 0) & (new.view(-1)[index] == 0)).any()):
            signs = torch.ones(int(turned.sum())).copysign(new.view(-1)[index[turned]])
            more.append(Entries(index[turned], signs, scale=SIGN))
        if not more:
            break
        again = ~_same(_patched(old, canonical([*terms, *more])), new)
        if again.sum() >= wrong.sum():
            break
        terms, wrong = [*terms, *more], again
    return terms, int(wrong.sum())


def _patched(old: Tensor, terms: tuple[Delta, ...]) -> Tensor:
    patched = old.clone()
    if terms:
        for rows, values in edited(old, terms, old.dtype):
            patched[rows] = values
    return patched


def _same(a: Tensor, b: Tensor) -> Tensor:
    """Return which entries are equal to the bit."""
    as_integers = {8: torch.int64, 4: torch.int32, 2: torch.int16}[a.element_size()]
    return a.view(as_integers) == b.view(as_integers)


def _bytes(term: Delta) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in term.tensors().values())


def _part(name: str, terms: tuple[Delta, ...], old: Tensor, new: Tensor, patched: Tensor, limit: int | None) -> Part:
    differs, off = ~_same(old, new), ~_same(patched, new)
    low = next((term for term in terms if isinstance(term, LowRank)), None)
    energy = 0.0
    if low is not None:
        change = _finite(new.double() - old.double())
        rest = change - low.at(torch.arange(old.shape[0]), tuple(old.shape))
        energy = 1 - float(rest.square().sum() / change.square().sum())
    gap = (patched.double() - new.double()).abs()
    worst = float(gap[torch.isfinite(gap)].max()) if bool(torch.isfinite(gap).any()) else 0.0
    kinds = " + ".join(sorted((term.kind for term in terms), reverse=True)) or "none"
    rows = int(differs.view(old.shape[0], -1).any(1).sum())
    rank = 0 if low is None else low.left.shape[1]
    beyond = off if limit is None else off & ~(old.isfinite() & new.isfinite())  # the others were not tried
    unsaid = Unsaid.of(old, new, beyond)
    return Part(name, kinds, rank, energy, rows, int(differs.sum()), int(off.sum()), worst, unsaid)
