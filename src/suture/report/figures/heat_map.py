"""Where something sits: a row a block, a column a part, and where there are experts a narrow column for each.

The colour of a cell grows with its number, from none to the largest of all; the number itself shows when it is pointed at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ._svg import LETTER, WIDTH, box, picture, text, tip

LEFT, TOP = 44, 44  # room for the blocks' numbers, and for the names of the parts
HEIGHT, TALLEST = 17, 420  # of a row, and of all rows: with many blocks they are flatter
NARROW = 11  # of an expert's column, at least
WIDE = 34  # of a part's column, at least
Place = tuple[int, str, int | None]  # block, part, expert


def heat_map(cells: Mapping[Place, float], *, name: str, unit: str = "", caption: str = "impact") -> str:
    """Draw a number for each part of each block.

    Args:
        cells: the numbers, none negative; places may be missing. Parts are drawn in the order in which they come.
        name: unique on its page.
        unit: behind a number that is pointed at.
        caption: what the numbers are.
    """
    numbers = {place: value for place, value in cells.items() if math.isfinite(value)}
    most = max(numbers.values(), default=0.0) or 1.0
    blocks = sorted({place[0] for place in cells if place[0] >= 0})
    columns = _columns(cells)
    count = {part: sum(other == part for other, _ in columns) for part, _ in columns}
    widths = [max(NARROW, WIDE / count[part]) for part, _ in columns]
    stretch = max(1.0, (WIDTH - LEFT - 10) / max(1.0, sum(widths)))
    widths = [width * stretch for width in widths]
    height = min(HEIGHT, TALLEST / max(1, len(blocks)))
    parts = [_names(columns, widths)]
    for row, block in enumerate(blocks):
        top = TOP + row * height
        if height >= LETTER or row % math.ceil(LETTER / height) == 0:
            parts.append(text(LEFT - 7, top + height / 2 + 4, str(block), anchor="end"))
        left = float(LEFT)
        for (part, expert), width in zip(columns, widths, strict=True):
            if (block, part, expert) in numbers:
                parts.append(
                    _cell(numbers[block, part, expert], most, (block, part, expert), left, top, width, height, unit)
                )
            left += width
    end = TOP + len(blocks) * height
    parts.append(text(LEFT - 7, TOP - 8, "block", anchor="end"))
    parts.append(_scale(end + 12, most, unit, caption))
    width = max(WIDTH, LEFT + sum(widths) + 10)
    return picture(name, f"{caption} by block and part", _words(numbers, unit), end + 44, "".join(parts), width)


def _columns(cells: Mapping[Place, float]) -> list[tuple[str, int | None]]:
    """Return the columns: parts in the order in which they come, their experts by number."""
    order = list(dict.fromkeys(place[1] for place in cells if place[0] >= 0))
    columns = {(place[1], place[2]) for place in cells if place[0] >= 0}
    return sorted(columns, key=lambda column: (order.index(column[0]), -1 if column[1] is None else column[1]))


def _names(columns: Sequence[tuple[str, int | None]], widths: Sequence[float]) -> str:
    """Write each part's name once above its columns, in two lines: "mlp" and "down"; its experts' numbers below."""
    parts, left = [], float(LEFT)
    for index, ((part, expert), width) in enumerate(zip(columns, widths, strict=True)):
        if index == 0 or columns[index - 1][0] != part:
            whole = sum(w for (other, _), w in zip(columns, widths, strict=True) if other == part)
            first, _, second = part.partition(".")
            parts.append(text(left + whole / 2, 12, first, anchor="middle", size=10))
            parts.append(text(left + whole / 2, 24, second, anchor="middle", size=10, colour="--fg"))
        if expert is not None:
            parts.append(text(left + width / 2, TOP - 6, str(expert), anchor="middle", size=9))
        left += width
    return "".join(parts)


def _cell(
    value: float, most: float, place: Place, left: float, top: float, width: float, height: float, unit: str
) -> str:
    block, part, expert = place
    says = f"block {block}, {part}{'' if expert is None else f', expert {expert}'}: {value:.3g}{unit}"
    area = (left, top, width - 1, height - 1)
    filled = f'<g opacity="{value / most:.3f}">{box(*area, "var(--s1)")}</g>' if value else ""
    return f'<g class="point">{tip(says)}{box(*area, "var(--soft)")}{filled}</g>'


def _scale(top: float, most: float, unit: str, caption: str) -> str:
    """Draw what the colours mean."""
    steps = 5
    parts = [
        box(LEFT + i * 16, top, 16, 9, "var(--soft)")
        + f'<g opacity="{i / (steps - 1):.2f}">{box(LEFT + i * 16, top, 16, 9, "var(--s1)")}</g>'
        for i in range(steps)
    ]
    parts.append(text(LEFT - 7, top + 8, "0", anchor="end"))
    parts.append(text(LEFT + steps * 16 + 7, top + 8, f"{most:.3g}{unit}  {caption}"))
    return "".join(parts)


def _words(numbers: Mapping[Place, float], unit: str) -> str:
    """Say which cells are the largest."""
    top = sorted(numbers.items(), key=lambda item: -item[1])[:5]
    largest = [
        f"block {block} {part}{'' if expert is None else f' expert {expert}'} {value:.3g}{unit}"
        for (block, part, expert), value in top
    ]
    return f"Largest: {'; '.join(largest)}." if largest else "No cells."
