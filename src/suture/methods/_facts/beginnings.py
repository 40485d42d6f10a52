"""Rows of which some are the beginnings of others: a causal model reads both in one run of the longer."""

from __future__ import annotations

from collections.abc import Sequence


def beginnings(rows: Sequence[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the rows that are no other row's beginning, each once, and for every row which of these holds it."""
    longest: list[tuple[int, ...]] = []
    holder: dict[tuple[int, ...], int] = {}
    for row in sorted(set(rows), reverse=True):  # a beginning comes right behind the rows that go on from it
        if not longest or longest[-1][: len(row)] != row:
            longest.append(row)
        holder[row] = len(longest) - 1
    return longest, [holder[row] for row in rows]
