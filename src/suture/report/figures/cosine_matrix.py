"""How alike directions are: a cell a pair, its cosine written in it; full colour is 1, none is 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._svg import LETTER, WIDTH, box, cut, picture, text, tip

LABELS, TOP = 130, 26  # room for the names on the left, and for the numbers above
HEIGHT, NARROWEST, WIDEST = 30, 30, 48  # of a cell


def cosine_matrix(names: Sequence[str], cosines: Sequence[Sequence[float]]) -> str:
    """Draw a square matrix of cosines; the columns carry the rows' numbers.

    Args:
        names: of the directions.
        cosines: for each direction its cosine with each.

    Raises:
        ValueError: when the matrix is not as large as the names are many.
    """
    if any(len(row) != len(names) for row in cosines) or len(cosines) != len(names):
        raise ValueError(f"{len(names)} names for a matrix of {len(cosines)} rows")
    size = max(NARROWEST, min(WIDEST, (WIDTH - LABELS - 8) / max(1, len(names))))
    letter = min(LETTER, size * 0.3)
    parts = []
    for row, name in enumerate(names):
        top = TOP + row * HEIGHT
        parts.append(text(LABELS - 6, top + 19, cut(f"{row + 1}  {name}", LABELS - 8), anchor="end", colour="--fg"))
        parts.append(text(LABELS + (row + 0.5) * size, TOP - 7, str(row + 1), anchor="middle"))
        for column, other in enumerate(names):
            value = cosines[row][column]
            known = math.isfinite(value)
            strength = min(1.0, abs(value)) if known else 0.0
            colour = "--s1" if known and value >= 0 else "--s2"
            cell = box(LABELS + column * size, top, size - 1, HEIGHT - 1, f"var({colour})")
            says = f"{name} and {other}: {value:.3f}" if known else f"{name} and {other}: unknown"
            digits = f"{value:.2f}".replace("-", "\u2212") if known else "?"
            parts.append(
                f'<g opacity="{0.08 + 0.5 * strength:.2f}">{cell}</g><g class="point">{tip(says)}'
                + text(LABELS + (column + 0.5) * size, top + 19, digits, anchor="middle", colour="--fg", size=letter)
                + "</g>"
            )
    below = [(i, j) for i in range(len(names)) for j in range(i)]
    pairs = [f"{names[i]} and {names[j]} {cosines[i][j]:.2f}" for i, j in below if math.isfinite(cosines[i][j])]
    words = "; ".join(pairs) or "No pairs."
    height, width = TOP + len(names) * HEIGHT + 6, max(WIDTH, LABELS + len(names) * size + 8)
    return picture("cosine-matrix", "Cosines between directions", words, height, "".join(parts), width)
