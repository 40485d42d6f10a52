"""In which blocks the edit is: a bar a block, as high as its number of chosen rows, or as far as it moved."""

from __future__ import annotations

from collections.abc import Mapping

from ._svg import WIDTH, Scale, axes, box, picture, text

LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 14, 30, 150
NUMBERED = 16  # with more blocks there is no room for each bar's number


def rows_per_layer(
    rows: Mapping[int, float],
    *,
    what: str = "chosen rows",
    title: str = "Chosen rows of each block",
    name: str = "rows-per-layer",
) -> str:
    """Draw a number for each block, those with none included.

    Args:
        rows: block -> number of chosen rows, or another size.
        what: the numbers are.
        title: of the picture.
        name: of the picture, once on a page.
    """
    blocks = sorted(rows)
    x = Scale((blocks or [0])[0] - 0.5, (blocks or [0])[-1] + 0.5, LEFT, RIGHT)
    y = Scale.over([0.0, 1.0, *rows.values()], BOTTOM, TOP)
    parts = [axes(x, y, "block", what, x_ticks=min(12, max(1, len(blocks))))]
    width = 0.72 * (x(blocks[0] + 0.5) - x(blocks[0] - 0.5)) if len(blocks) > 1 else 40.0
    for block in blocks:
        count, left = rows[block], x(block) - width / 2
        parts.append(
            box(
                left,
                y(count),
                width,
                BOTTOM - y(count),
                "var(--edit)",
                says=f"block {block}: {_count_text(count)} {what}",
            )
        )
        if len(blocks) <= NUMBERED:
            parts.append(text(x(block), y(count) - 3, _count_text(count), anchor="middle", colour="--fg", size=10))
    words = "; ".join(f"block {block}: {_count_text(rows[block])}" for block in blocks) or "No rows."
    return picture(name, title, words, BOTTOM + 42, "".join(parts))


def _count_text(count: float) -> str:
    return f"{count:,}" if isinstance(count, int) else f"{count:.3g}"
