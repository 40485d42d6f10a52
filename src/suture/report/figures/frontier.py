"""The frontier of a search: what each candidate at each strength does to the target, over what it costs.

x is the worst share of the budget used over all properties to keep (100 % is the line), y the target. Filled: inside
the budget; hollow: outside; crossed: rejected for another reason; ringed and labelled: chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...measure.report import SearchPoint
from ._svg import COLOURS, SHAPES, WIDTH, Scale, axes, cut, legend, line, marker, picture, round_text, short_text, text

LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 14, 34, 230
MOST = 300.0  # per cent of the budget; what costs more is drawn at the right edge
FILLED = SHAPES[:4]  # shapes that can be hollow


def frontier(
    points: Sequence[SearchPoint], *, name: str, unit: str = "%", scale: float = 100, base: float | None = None
) -> str:
    """Draw all points of a search.

    Args:
        points: what was searched.
        name: of the target.
        unit: of the target.
        scale: what a target is multiplied by to be in `unit`.
        base: the target before the edit, in `unit`.
    """
    measured = [p for p in points if p.target is not None and not (math.isnan(p.target) or math.isnan(p.cost))]
    targets = [scale * (p.target or 0.0) for p in measured]
    x = Scale.over([0.0, 110.0, *(100 * p.cost for p in measured)], LEFT, RIGHT, most=MOST)
    y = Scale.over([0.0, *targets, *([] if base is None else [base])], BOTTOM, TOP)
    parts = [axes(x, y, "worst share of the budget used, %", f"{name}, {unit}")]
    parts.append(line(x(100), TOP - 6, x(100), BOTTOM, "--bad", width=1.3))
    parts.append(text(x(100) + 4, TOP + 12, "budget", colour="--bad", clear=True))
    if base is not None:
        parts.append(line(LEFT, y(base), RIGHT, y(base), "--mute", dash="2 3"))
        parts.append(text(RIGHT, y(base) - 4, "base", anchor="end", clear=True))
    labels = list(dict.fromkeys(p.label for p in measured))
    look = {label: (FILLED[i % len(FILLED)], COLOURS[i % len(COLOURS)]) for i, label in enumerate(labels)}
    for point, height in sorted(zip(measured, targets, strict=True), key=lambda pair: pair[0].chosen):
        parts.append(_draw(point, x, y, height, *look[point.label], unit))
    signs = [(marker(shape, 8, 0, colour), label) for label, (shape, colour) in look.items()]
    signs += [
        (marker("circle", 8, 0, "--mute", size=4), "within the budget"),
        (marker("circle", 8, 0, "--mute", size=4, hollow=True), "outside"),
    ]
    if any(p.rejected for p in measured):
        crossed = marker("circle", 8, 0, "--mute", size=4) + marker("cross", 8, 0, "--fg", size=5)
        signs.append((crossed, " or ".join(dict.fromkeys(p.rejected for p in measured if p.rejected))))
    if any(x.beyond(100 * p.cost) for p in measured):
        signs.append((text(4, 4, "\u203a", colour="--fg", size=15), f"costs more than {round_text(x.high)} %"))
    if blank := sum(p.target is None for p in points):
        signs.append((text(4, 4, "-", colour="--fg", size=15), f"{blank} more lost too much to be measured"))
    key, bottom = legend(signs, BOTTOM + 46)
    best = next((p for p in measured if p.chosen), None)
    words = f"{len(measured)} points, {sum(p.within for p in measured)} within the budget. " + (
        f"Chosen: {best.label} at strength {best.strength:g}, target {scale * (best.target or 0.0):.1f} {unit}, "
        f"{100 * best.cost:.0f} % of the budget used."
        if best
        else "None was chosen."
    )
    return picture("frontier", f"{name} over cost, every point searched", words, bottom, "".join([*parts, key]))


def _draw(point: SearchPoint, x: Scale, y: Scale, height: float, shape: str, colour: str, unit: str) -> str:
    left, top = x(100 * point.cost), y(height)
    says = (
        f"{point.label} at {point.strength:g}: {height:.1f} {unit}, {100 * point.cost:.0f} % of the budget used"
        f"{', ' + point.rejected if point.rejected else ''}"
    )
    parts = [marker("circle", left, top, "--fg", size=7.5, hollow=True)] if point.chosen else []
    parts.append(marker(shape, left, top, colour, size=4.2, hollow=not point.within, says=says, part="point"))
    if point.rejected:
        parts.append(marker("cross", left, top, "--fg", size=5.2))
    if x.beyond(100 * point.cost):
        parts.append(text(left + 5, top + 4, "\u203a", colour="--fg", size=15))
    if point.chosen:
        side = "end" if left > (x.start + x.end) / 2 else "start"
        room = (left - x.start if side == "end" else x.end - left) - 12
        words = f" at {short_text(point.strength)}"
        words = cut(point.label, room - 7 * len(words)) + words
        parts.append(
            text(left + (-12 if side == "end" else 12), top + 4, words, anchor=side, colour="--fg", clear=True)
        )
    return f"<g>{''.join(parts)}</g>"
