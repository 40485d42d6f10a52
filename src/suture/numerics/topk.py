"""The largest of very many scores, exactly, without ever holding them all: two histograms and one more look.

The bits of a non-negative float32, read as an integer, grow with the number. A histogram of the upper 16 bits says in which bin
the smallest chosen score lies, a histogram of the lower 16 bits within that bin says what it is, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Chunks = Callable[[], Iterator[Tensor]]  # the same float32 scores >= 0 each time it is called, flat, piece by piece
HALF = 16  # bits a histogram looks at


def largest(parts: Sequence[Chunks], count: int) -> list[Tensor]:
    """Return the positions of the `count` largest scores of all parts together.

    Ties are broken by the order of the parts, then by position.

    Args:
        parts: the scores of each part, piece by piece; each is called three times.
        count: how many; at least 1 and at most as many as there are.

    Returns:
        For each part the sorted positions of its chosen scores, int64 on the CPU.

    Raises:
        ValueError: for scores that are negative or no numbers.
    """
    coarse = torch.zeros(1 << HALF, dtype=torch.int64)
    for bits in _all(parts):
        coarse += torch.bincount(bits >> HALF, minlength=1 << HALF).cpu()
    bin_, above = _find_bin(coarse, count)
    fine = torch.zeros(1 << HALF, dtype=torch.int64)
    for bits in _all(parts):
        fine += torch.bincount(bits[bits >> HALF == bin_] & (1 << HALF) - 1, minlength=1 << HALF).cpu()
    low, above_in_bin = _find_bin(fine, count - above)
    return _positions(parts, (bin_ << HALF) + low, count - above - above_in_bin)


def _all(parts: Sequence[Chunks]) -> Iterator[Tensor]:
    """Yield the bits of all scores, piece by piece."""
    for part in parts:
        for scores in part():
            yield _bits(scores)


def _bits(scores: Tensor) -> Tensor:
    bits = scores.detach().float().contiguous().view(torch.int32)
    if bool(((bits < 0) | ~torch.isfinite(scores)).any()):  # the sign bit: also that of -0.0
        raise ValueError("scores must be finite and not negative")
    return bits


def _find_bin(histogram: Tensor, count: int) -> tuple[int, int]:
    """Return the bin in which the `count`-th largest lies, and how many lie above that bin."""
    from_top = histogram.flip(0).cumsum(0)
    place = int(torch.searchsorted(from_top, torch.tensor(count)))
    return len(histogram) - 1 - place, int(from_top[place] - histogram[len(histogram) - 1 - place])


def _positions(parts: Sequence[Chunks], threshold: int, ties: int) -> list[Tensor]:
    """Return the positions of all scores above a threshold, and of the first `ties` that equal it."""
    positions = []
    for part in parts:
        begin, pieces = 0, []
        for scores in part():
            bits = _bits(scores)
            equal = (bits == threshold).nonzero()[:ties, 0]
            ties -= len(equal)
            chosen = torch.cat([(bits > threshold).nonzero()[:, 0], equal]).sort().values
            pieces.append(chosen.cpu() + begin)
            begin += len(scores)
        positions.append(torch.cat(pieces) if pieces else torch.zeros(0, dtype=torch.int64))
    return positions
