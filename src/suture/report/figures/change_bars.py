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

    @property
    def known(self) -> bool:
        """Whether there is something to draw: a destroyed model may give no number."""
        return not any(map(math.isnan, (self.change, self.low, self.high)))


def change_bars(title: str, panels: Mapping[str, Sequence[Bar]]) -> str:
    """Draw changes, a panel with an axis of its own for each unit.

    Args:
        title: of the picture.
        panels: bars by the words below their axis, e.g. "change, points".
    """
    parts: list[str] = []
    top: float = HEAD
    for unit, bars in panels.items():
        panel, top = _panel(unit, bars, top)
        parts.append(panel)
    everything = [bar for bars in panels.values() for bar in bars]
    key, bottom = legend(_signs(everything), top)
    words = "; ".join(map(_sentence, everything)) or "Nothing was measured."
    return picture(f"change {title}", title, words, bottom, "".join([*parts, key]))


def _panel(unit: str, bars: Sequence[Bar], top: float) -> tuple[str, float]:
    """Return one axis with its rows, and where the next panel begins."""
    ends = [v for b in bars for v in (b.low, b.change, b.high, *(b.control or ()))]
    x = Scale.over([0.0, *ends, *(b.limit for b in bars if b.limit is not None)], LEFT, RIGHT)
    bottom = top + ROW * len(bars) + 4
    parts = []
    for tick in x.ticks(6):
        parts.append(line(x(tick), top, x(tick), bottom, "--mute" if tick == 0 else "--line"))
        anchor = "start" if x(tick) < LEFT + 8 else "end" if x(tick) > RIGHT - 8 else "middle"
        parts.append(text(x(tick), bottom + 13, round_text(tick), anchor=anchor))
    parts.append(text(WIDTH / 2, bottom + 28, unit, anchor="middle"))
    parts += [_row(bar, x, top + index * ROW) for index, bar in enumerate(bars)]
    return "".join(parts), bottom + 46


def _signs(bars: Sequence[Bar]) -> list[tuple[str, str]]:
    """Return the entries of the legend that the bars need."""
    used = {bar.verdict for bar in bars}
    signs = [
        (line(0, 0, 16, 0, colour, width=2) + marker(shape, 8, 0, colour), SAID[verdict])
        for verdict, (shape, colour) in LOOKS.items()
        if verdict in used
    ]
    if any(bar.control for bar in bars):
        control = line(0, 0, 16, 0, "--base", width=2) + marker("circle", 8, 0, "--base", size=2.6, hollow=True)
        signs.append((control, "random patch"))
    if any(bar.limit is not None for bar in bars):
        signs.append((line(8, -6, 8, 6, "--bad", dash="3 2", width=1.6), "budget"))
    return signs


def _sentence(bar: Bar) -> str:
    if not bar.known:
        return f"{bar.label}: unknown"
    return f"{bar.label}: {bar.change:+.2f} [{bar.low:+.2f}, {bar.high:+.2f}], {SAID[bar.verdict]}"


def _row(bar: Bar, x: Scale, top: float) -> str:
    shape, colour = LOOKS[bar.verdict]
    change_text = bar.shown if bar.known else "unknown"
    parts = [
        text(
            LEFT,
            top + 12,
            cut(bar.label, RIGHT - LEFT - LETTER * len(change_text) * ADVANCE - 12),
            colour="--fg",
            clear=True,
        ),
        text(RIGHT, top + 12, change_text, anchor="end", colour=colour, clear=True),
    ]
    middle = top + 22
    if bar.limit is not None:
        parts.append(line(x(bar.limit), top + 16, x(bar.limit), top + 36, "--bad", dash="3 2", width=1.6))
    if bar.control is not None and not any(map(math.isnan, bar.control)):
        change, low, high = bar.control
        parts.append(line(x(low), middle + 9, x(high), middle + 9, "--base", width=2))
        says = f"random patch: {change:+.2f} [{low:+.2f}, {high:+.2f}]"
        parts.append(
            marker("circle", x(change), middle + 9, "--base", size=2.6, hollow=True, says=says, part="control")
        )
    if not bar.known:
        return "".join(parts)
    parts.append(line(x(bar.low), middle, x(bar.high), middle, colour, width=2.4))
    parts.append(marker(shape, x(bar.change), middle, colour, size=4, says=_sentence(bar), part="point"))
    return "".join(parts)
