"""Where the chosen rows lie among all: a histogram of every candidate's score, the chosen part of each bar filled."""

from __future__ import annotations

from collections.abc import Sequence

from ._svg import WIDTH, Scale, axes, box, legend, picture

LEFT, RIGHT, TOP, BOTTOM = 46, WIDTH - 14, 30, 170
LEAST = 1.2  # height of a chosen part, so that a single row among thousands is seen


def score_histogram(edges: Sequence[float], counts: Sequence[int], chosen: Sequence[int], *, score: str) -> str:
    """Draw the scores of all candidates.

    Args:
        edges: of the bars, one more than there are bars; the outer bars hold what lies beyond, too.
        counts: of all candidates in each bar.
        chosen: how many of them were chosen.
        score: what the rows were scored by.

    Raises:
        ValueError: when the lengths do not fit.
    """
    if not len(edges) - 1 == len(counts) == len(chosen):
        raise ValueError(f"{len(edges)} edges, {len(counts)} bars, {len(chosen)} chosen parts")
    x = Scale(edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1, LEFT, RIGHT)
    y = Scale.over([0.0, *counts, 1.0], BOTTOM, TOP)
    parts = [axes(x, y, score, "rows")]
    for begin, end, count, part in zip(edges[:-1], edges[1:], counts, chosen, strict=True):
        left, width = x(begin), max(x(end) - x(begin) - 0.4, 0.4)
        says = f"{begin:.3g} to {end:.3g}: {count:,} rows, {part:,} chosen"
        if count:
            parts.append(box(left, y(count), width, BOTTOM - y(count), "var(--soft)", stroke="--base", says=says))
        if part:
            height = max(BOTTOM - y(part), LEAST)
            parts.append(box(left, BOTTOM - height, width, height, "var(--edit)", says=says))
    total, total_chosen = sum(counts), sum(chosen)
    signs = [
        (box(2, -5, 12, 10, "var(--edit)"), f"{total_chosen:,} chosen"),
        (box(2, -5, 12, 10, "var(--soft)", stroke="--base"), f"{total:,} rows in all"),
    ]
    key, bottom = legend(signs, BOTTOM + 46)
    words = f"{total_chosen:,} of {total:,} rows chosen; scores from {edges[0]:.3g} to {edges[-1]:.3g}."
    return picture("score-histogram", f"Rows by {score}", words, bottom, "".join([*parts, key]))
