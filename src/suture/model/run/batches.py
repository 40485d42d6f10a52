"""Rows of token ids as a batch: padding, positions, and groups of rows that fit in memory together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ...errors import ResourceError

BATCH_TOKENS = 8192  # tokens of a batch, padding included; enough to fill two cores or a small GPU
BUSY_TOKENS, ALIKE = 1024, 0.9  # see `bucketed`
BATCH_LOGITS = (
    1 << 25
)  # logits of a batch over whole texts, 128 MB of float32; what is made of them takes a few times that
T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Token ids with their mask and positions, each (batch, tokens); mask is 1 on real tokens."""

    ids: Tensor
    mask: Tensor

    @property
    def positions(self) -> Tensor:
        """Position of each token counted from the first real one, so that padding never shifts a row."""
        return (self.mask.cumsum(-1) - 1).clamp(min=0)

    @property
    def last(self) -> Tensor:
        """Index of the last real token of each row: (batch,)."""
        columns = torch.arange(self.mask.shape[1], device=self.mask.device)
        return (self.mask * columns).argmax(-1)


def bucketed(lengths: Sequence[int], tokens: int = BATCH_TOKENS, alike: float = ALIKE) -> list[list[int]]:
    """Return the indices of rows grouped by similar length, at most `tokens` per group with padding.

    A group that keeps a machine busy (BUSY_TOKENS) ends where a row has less than a share `alike` of its longest: the rest would
    be padding.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        rows, longest = (len(groups[-1]), lengths[groups[-1][0]]) if groups else (0, 0)
        joins = rows * longest < BUSY_TOKENS or lengths[index] >= alike * longest
        if rows and joins and (rows + 1) * longest <= tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def tokens_with_logits(vocabulary: int, most: int = BATCH_TOKENS, copies: int = 1) -> int:
    """Return how many tokens a batch has whose logits are all held.

    Args:
        vocabulary: numbers of a token.
        most: tokens of a batch, or fewer where the vocabulary is large.
        copies: so many times as much is held for each as where they are only read (a graph for gradients).
    """
    return max(1, min(most, BATCH_LOGITS // max(copies * vocabulary, 1)))


def halving(group: Sequence[int], run: Callable[[Sequence[int]], T]) -> Iterator[T]:
    """Yield `run(part)` for parts of a group; a part that does not fit in memory is halved and tried again.

    Raises:
        ResourceError: when a single row does not fit.
    """
    waiting = [list(group)]
    while waiting:
        part = waiting.pop()
        try:
            result = run(part)
        except (torch.OutOfMemoryError, MemoryError) as problem:
            if len(part) == 1:
                raise ResourceError(
                    "one example does not fit in memory",
                    why=str(problem),
                    fix="Shorten the texts or use a larger machine.",
                ) from problem
            half = len(part) // 2
            waiting += [part[half:], part[:half]]
            continue
        yield result
