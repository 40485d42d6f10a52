"""What all pictures are drawn with: scales with round ticks, axes, markers that differ in shape, legends.

Every colour is a CSS variable of the page (`STYLE` of the report sets them), so a picture follows its light or dark mode.
A picture is drawn 360 wide and shown at 0.9 to 1.45 times that, so its letters stay between 10 and 16 pixels high.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 360
LETTER = 11  # height of letters
ADVANCE = 0.6  # mean width of a letter, as a share of its height, in a wide system font (DejaVu Sans)
TIGHT = 0.56  # the same of running text, where a letter too many does no harm
SHRINK, GROW = 0.9, 1.45  # how far a picture may be scaled
COLOURS = ("--s1", "--s2", "--s3", "--s4", "--s5", "--s6")
SHAPES = ("circle", "square", "triangle", "diamond", "plus", "cross")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "10 4", "1 2")
PATHS = {  # around (0, 0), one unit in size
    "circle": "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0z",
    "square": "M-.9,-.9h1.8v1.8h-1.8z",
    "triangle": "M0,-1.2L1.1,.8H-1.1z",
    "diamond": "M0,-1.35L1.35,0L0,1.35L-1.35,0z",
    "plus": "M-1.2,0H1.2M0,-1.2V1.2",
    "cross": "M-1,-1L1,1M-1,1L1,-1",
}


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high`, drawn from `start` to `end`; what lies beyond is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, *, most: float = math.inf) -> Scale:
        """Return a scale from and to round numbers that holds all finite values up to `most`, never of no length."""
        finite = [min(v, most) for v in values if math.isfinite(v)] or [0.0]
        low, high = min(finite), max(finite)
        if high - low < 1e-12 * max(1.0, abs(high)):
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        step = _step(low, high)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end)

    def __call__(self, value: float) -> float:
        """Return where a number is drawn."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def beyond(self, value: float) -> bool:
        """Return whether a number lies outside."""
        slack = 1e-9 * (self.high - self.low)
        return not self.low - slack <= value <= self.high + slack

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round numbers inside."""
        step = _step(self.low, self.high, count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def _step(low: float, high: float, count: int = 5) -> float:
    """Return 1, 2 or 5 times a power of ten, so that about `count` steps fill the range."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(f for f in (1, 2, 5, 10) if f * power >= raw * (1 - 1e-9))


def round_text(value: float) -> str:
    """Return a tick's number without the noise of binary fractions, with a true minus."""
    digits = f"{value:.10g}" if abs(value) < 1e6 else f"{value:.3g}"
    return ("0" if float(digits) == 0 else digits).replace("-", "\u2212")


def short_text(value: float) -> str:
    """Return a number as people say it, three digits of it."""
    return round_text(float(f"{value:.3g}"))


def look(index: int) -> tuple[str, str, str]:
    """Return colour, shape and dash of a series; 36 differ."""
    turn = index // len(COLOURS)
    kinds = ((COLOURS, index), (SHAPES, index + turn), (DASHES, index + 2 * turn))
    colour, shape, dash = (kind[number % len(kind)] for kind, number in kinds)
    return colour, shape, dash


def at(value: float) -> str:
    """Return a coordinate; refuses what is no number, so that no picture can hold NaN."""
    if not math.isfinite(value):
        raise ValueError("a coordinate must be a number")
    return f"{value:.1f}".removesuffix(".0")


def cut(words: str, width: float, size: float = LETTER) -> str:
    """Return words that fit a width, the rest as an ellipsis."""
    room = max(1, int(width / (size * TIGHT)))
    return words if len(words) <= room else words[: room - 1].rstrip() + "\u2026"


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = "--mute",
    size: float = LETTER,
    clear: bool = False,
) -> str:
    """Return a line of text at its baseline; `clear` keeps lines behind it off its letters."""
    halo = ' paint-order="stroke" stroke="var(--bg)" stroke-width="4" stroke-linejoin="round"' if clear else ""
    return (
        f'<text x="{at(x)}" y="{at(y)}" text-anchor="{anchor}" font-size="{size:g}" fill="var({colour})"{halo}>'
        f"{html.escape(words)}</text>"
    )


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str = "--line", *, dash: str = "", width: float = 1
) -> str:
    """Return a straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{at(x1)}" y1="{at(y1)}" x2="{at(x2)}" y2="{at(y2)}"'
    return f'<line {ends} stroke="var({colour})" stroke-width="{width:g}"{dashed}/>'


def curve(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    """Return a line through points."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    path = " ".join(f"{at(x)},{at(y)}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="var({colour})" stroke-width="1.6"{dashed}/>'


def box(x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "", says: str = "") -> str:
    """Return a rectangle; `says` is shown when it is pointed at."""
    edge = f' stroke="var({stroke})" stroke-width=".8"' if stroke else ""
    area = f'x="{at(x)}" y="{at(y)}" width="{at(width)}" height="{at(height)}"'
    return f'<rect {area} fill="{fill}"{edge}>{tip(says)}</rect>'


def marker(
    shape: str,
    x: float,
    y: float,
    colour: str,
    *,
    size: float = 3.6,
    hollow: bool = False,
    says: str = "",
    part: str = "",
) -> str:
    """Return a marker; `part` is its class ("point" for data), `says` is shown when it is pointed at."""
    fill = "none" if shape in ("plus", "cross") else "var(--bg)" if hollow else f"var({colour})"
    attribute = f'class="{part}" ' if part else ""
    return (
        f'<path {attribute}d="{PATHS[shape]}" transform="translate({at(x)} {at(y)}) scale({size:g})" fill="{fill}" '
        f'stroke="var({colour})" stroke-width="{1.4 / size:.3g}">{tip(says)}</path>'
    )


def axes(x: Scale, y: Scale, x_name: str, y_name: str, *, x_ticks: int = 6, y_ticks: int = 4) -> str:
    """Return a grid at round numbers with its labels; the name of y stands above the axis, that of x below."""
    left, right, top, bottom = x.start, x.end, y.end, y.start
    parts = [text(left - 30, top - 9, y_name)] if y_name else []
    for tick in y.ticks(y_ticks):
        parts.append(line(left, y(tick), right, y(tick)))
        parts.append(text(left - 7, y(tick) + 4, round_text(tick), anchor="end"))
    for tick in x.ticks(x_ticks):
        parts.append(line(x(tick), bottom, x(tick), bottom + 4, "--mute"))
        if x_name:
            parts.append(text(x(tick), bottom + 16, round_text(tick), anchor="middle"))
    parts.append(line(left, bottom, right, bottom, "--mute"))
    if x_name:
        parts.append(text((left + right) / 2, bottom + 31, x_name, anchor="middle"))
    return "".join(parts)


def legend(entries: Sequence[tuple[str, str]], y: float, x: float = 10) -> tuple[str, float]:
    """Return a legend of (drawing around (8, 0) and 16 wide, words), wrapped, and the height where it ends."""
    parts, left = [], x
    for sign, words in entries:
        words = cut(words, WIDTH - x - 26)
        width = 28 + len(words) * LETTER * ADVANCE
        if left > x and left + width > WIDTH:
            left, y = x, y + 17
        parts.append(f'<g transform="translate({at(left)} {at(y)})">{sign}{text(21, 4, words, colour="--fg")}</g>')
        left += width + 6
    return "".join(parts), y + 10


def picture(name: str, title: str, description: str, height: float, body: str, width: float = WIDTH) -> str:
    """Return the whole SVG, with what a screen reader says.

    Args:
        name: unique on its page; letters and digits.
        title: one line.
        description: what the picture shows, in words and numbers.
        height: of the picture.
        body: what is drawn.
        width: of the picture; a wider one is scrolled on small screens.
    """
    key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (
        f'<svg viewBox="0 0 {at(math.ceil(width))} {at(math.ceil(height))}" role="img" '
        f'aria-labelledby="{key}-title {key}-desc" font-family="system-ui,sans-serif" '
        f'style="display:block;width:100%;min-width:{SHRINK * width:.0f}px;max-width:{GROW * width:.0f}px">'
        f'<title id="{key}-title">{html.escape(title)}</title><desc id="{key}-desc">{html.escape(description)}</desc>'
        f"{body}</svg>"
    )


def tip(words: str) -> str:
    """Return what is shown when a part is pointed at."""
    return f"<title>{html.escape(words)}</title>" if words else ""
