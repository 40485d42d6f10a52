"""What changed and how sure it is: a forest plot, each property's change with its 95 % interval, its control below it.

Marker and colour tell the verdict; a thin grey interval is the random patch of the same size; a short dashed line is the budget.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._svg import ADVANCE, LETTER, WIDTH, Scale, cut, legend, line, marker, picture, round_text, text

LEFT, RIGHT, ROW, HEAD = 12, WIDTH - 12, 40, 8
LOOKS = {"good": ("circle", "--good"), "bad": ("diamond", "--bad"), "": ("square", "--mute")}
SAID = {"good": "better", "bad": "worse", "": "no verdict"}


@dataclass(frozen=True)
class Bar:
    """One property's change; `low` and `high` bound its 95 % interval.

    Attributes:
        label: for people.
        change: in the unit of its panel, like all other numbers.
        low: 2.5 % quantile.
        high: 97.5 % quantile.
        verdict: "good" or "bad" when the interval does not hold 0, else "".
        shown: the change as it is written beside the label.
        control: change, low and high of the control.
        limit: the change at which the budget is used up.
    """

    label: str
    change: float
    low: float
    high: float
    verdict: str
    shown: str
    control: tuple[float, float, float] | None = None
    limit: float | None = None


def change_bars(title: str, panels: Mapping[str, Sequence[Bar]]) -> str:
    """Draw changes, a panel with an axis of its own for each unit.

    Args:
        title: of the picture.
        panels: bars by the words below their axis, e.g. "change, points".
    """
    parts: list[str] = []
    top: float = HEAD
    for unit, bars in panels.items():
        known = [b for b in bars if all(map(math.isfinite, (b.change, b.low, b.high)))]
        ends = [
            v
            for b in known
            for v in (b.low, b.change, b.high, *(b.control or ()), *([] if b.limit is None else [b.limit]))
        ]
        x = Scale.over([0.0, *ends], LEFT, RIGHT)
        bottom = top + ROW * len(known) + 4
        for tick in x.ticks(6):
            colour = "--mute" if tick == 0 else "--line"
            parts.append(line(x(tick), top, x(tick), bottom, colour))
            parts.append(text(x(tick), bottom + 13, round_text(tick), anchor=_anchor(x(tick))))
        parts.append(text(WIDTH / 2, bottom + 28, unit, anchor="middle"))
        for index, bar in enumerate(known):
            parts.append(_row(bar, x, top + index * ROW))
        top = bottom + 46
    everything = [bar for bars in panels.values() for bar in bars]
    used = {bar.verdict for bar in everything}
    signs = [
        (line(0, 0, 16, 0, colour, width=2) + marker(shape, 8, 0, colour), SAID[found])
        for found, (shape, colour) in LOOKS.items()
        if found in used
    ]
    if any(bar.control for bar in everything):
        control = line(0, 0, 16, 0, "--base", width=2) + marker("circle", 8, 0, "--base", size=2.6, hollow=True)
        signs.append((control, "random patch"))
    if any(bar.limit is not None for bar in everything):
        signs.append((line(8, -6, 8, 6, "--bad", dash="3 2", width=1.6), "budget"))
    key, bottom = legend(signs, top)
    words = "; ".join(f"{b.label} {b.change:+.2f} [{b.low:+.2f}, {b.high:+.2f}], {SAID[b.verdict]}" for b in everything)
    return picture(f"change {title}", title, words or "Nothing was measured.", bottom, "".join([*parts, key]))


def _anchor(x: float) -> str:
    return "start" if x < LEFT + 8 else "end" if x > RIGHT - 8 else "middle"


def _row(bar: Bar, x: Scale, top: float) -> str:
    shape, colour = LOOKS[bar.verdict]
    parts = [
        text(
            LEFT,
            top + 12,
            cut(bar.label, RIGHT - LEFT - LETTER * len(bar.shown) * ADVANCE - 12),
            colour="--fg",
            clear=True,
        ),
        text(RIGHT, top + 12, bar.shown, anchor="end", colour=colour, clear=True),
    ]
    middle = top + 22
    if bar.limit is not None:
        parts.append(line(x(bar.limit), top + 16, x(bar.limit), top + 36, "--bad", dash="3 2", width=1.6))
    if bar.control is not None and all(map(math.isfinite, bar.control)):
        change, low, high = bar.control
        parts.append(line(x(low), middle + 9, x(high), middle + 9, "--base", width=2))
        says = f"random patch: {change:+.2f} [{low:+.2f}, {high:+.2f}]"
        parts.append(
            marker("circle", x(change), middle + 9, "--base", size=2.6, hollow=True, says=says, part="control")
        )
    parts.append(line(x(bar.low), middle, x(bar.high), middle, colour, width=2.4))
    says = f"{bar.label}: {bar.change:+.2f} [{bar.low:+.2f}, {bar.high:+.2f}], {SAID[bar.verdict]}"
    parts.append(marker(shape, x(bar.change), middle, colour, size=4, says=says, part="point"))
    return "".join(parts)
