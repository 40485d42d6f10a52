"""What becomes of earlier edits: shares over the number of edits, all of them asked again at each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ._svg import WIDTH, Scale, axes, curve, legend, look, marker, picture

LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 14, 34, 150


def over_edits(edits: Sequence[int], series: Mapping[str, Sequence[float]]) -> str:
    """Draw shares over the number of edits.

    Args:
        edits: numbers of edits, ascending.
        series: for each name its value at each number, in per cent.
    """
    x, y = Scale.over([0, *edits], LEFT, RIGHT), Scale(0, 100, BOTTOM, TOP)
    parts, signs = [axes(x, y, "edits", "%")], []
    for index, (name, values) in enumerate(series.items()):
        colour, shape, dash = look(index)
        points = [(x(n), y(value)) for n, value in zip(edits, values, strict=True)]
        parts.append(curve(points, colour, dash))
        for (left, top), n, value in zip(points, edits, values, strict=True):
            parts.append(marker(shape, left, top, colour, says=f"{n} edits: {value:.1f} % {name}", part="point"))
        signs.append((curve([(0, 0), (16, 0)], colour, dash) + marker(shape, 8, 0, colour), name))
    key, bottom = legend(signs, BOTTOM + 46)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{value:.1f} % of {n}" for n, value in zip(edits, values, strict=True))
        for name, values in series.items()
    )
    return picture("over-edits", "Edits that hold, over their number", words, bottom, "".join([*parts, key]))
