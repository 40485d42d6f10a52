"""Where two patches meet: shared tensors, shared rows, and the angle between what they do there.

cos = <D1, D2> / (|D1| |D2|)       over the shared tensors, in float64; -1: one undoes the other, +1: they double up
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..errors import UsageError
from .delta import change, touched
from .patch import Patch

ROWS = 1024  # rows compared at a time
FIGHTING = -0.3  # cosine below which each takes away a good part of the other


@dataclass(frozen=True)
class Meeting:
    """Two patches on one tensor.

    Attributes:
        tensor: its name.
        rows: rows that the first touches, the second touches, both touch.
        cosine: between the changes; 0 where they share nothing.
    """

    tensor: str
    rows: tuple[int, int, int]
    cosine: float


@dataclass(frozen=True)
class Overlap:
    """Two patches.

    Attributes:
        meetings: one for each tensor that both touch.
        cosine: over all tensors that both touch.
        shares: share of each patch's squared norm that lies in rows both touch.
    """

    meetings: list[Meeting]
    cosine: float
    shares: tuple[float, float]

    @property
    def fights(self) -> bool:
        """Whether they work against each other."""
        return self.cosine < FIGHTING


def overlap(first: Patch, second: Patch) -> Overlap:
    """Compare two patches; computed row by row, never a whole matrix.

    Raises:
        PatchMismatch: when they were made for different weights.
        UsageError: when a change is so large that no cosine can be told.
    """
    first.check_same_base(second)
    meetings = []
    total = torch.zeros(3, dtype=torch.float64)  # <1,2>, <1,1>, <2,2> over shared tensors
    shared = torch.zeros(2, dtype=torch.float64)  # squared norms in shared rows
    for tensor in sorted(first.terms.keys() & second.terms.keys()):
        shape = first.before[tensor].shape
        rows = [touched(p.terms[tensor], shape) for p in (first, second)]
        both = rows[0][torch.isin(rows[0], rows[1])]
        here = torch.zeros(3, dtype=torch.float64)
        for part in torch.unique(torch.cat(rows)).split(ROWS):
            one, two = change(first.terms[tensor], part, shape), change(second.terms[tensor], part, shape)
            here += torch.stack([(one * two).sum(), one.square().sum(), two.square().sum()])
            common = torch.isin(part, both)
            shared += torch.stack([one[common].square().sum(), two[common].square().sum()])
        total += here
        meetings.append(Meeting(tensor, (len(rows[0]), len(rows[1]), len(both)), _cosine(here)))
    norms = [
        sum(term.norm(p.before[t].shape) ** 2 for t, terms in p.terms.items() for term in terms)
        for p in (first, second)
    ]
    if not (total.isfinite().all() and shared.isfinite().all() and all(map(math.isfinite, norms))):
        raise UsageError(
            "two patches are too large to be compared",
            why="The squares of what they add are beyond float64.",
            fix="Give them smaller strengths: 1 is a patch as made.",
        )
    shares = tuple(float(part) / norm if norm else 0.0 for part, norm in zip(shared, norms, strict=True))
    return Overlap(meetings, _cosine(total), (shares[0], shares[1]))


def cancels(patch: Patch) -> bool:
    """Return whether nothing is left of a patch: its terms add up to 0 everywhere."""
    for name, terms in patch.terms.items():
        shape = patch.before[name].shape
        if any(change(terms, part, shape).any() for part in touched(terms, shape).split(ROWS)):
            return False
    return True


def _cosine(products: torch.Tensor) -> float:
    size = float((products[1] * products[2]).sqrt())
    return float(products[0]) / size if size else 0.0
