"""Levels of intervention side by side: how far each moved the behaviour, over what it cost.

x is the worst share of the budget used over all properties to keep (100 % is the line), y how far the target moved the way it was
meant to. Each point is named beside it; shape and colour tell its level. Up and left is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._svg import COLOURS, SHAPES, WIDTH, Scale, axes, cut, legend, line, marker, picture, text

LEFT, RIGHT, TOP, BOTTOM = 40, WIDTH - 14, 34, 230
MOST = 400.0  # per cent of the budget; what costs more is drawn at the right edge
LINE = 13  # least distance between two names
KINDS = ("prompt", "activation", "weight", "retrieval")


@dataclass(frozen=True)
class Dot:
    """One level: `gain` of the target in `unit`, `cost` as a share of the budget, 1 is all of it."""

    name: str
    kind: str
    gain: float
    cost: float


def levels(dots: Sequence[Dot], *, name: str, unit: str = "points") -> str:
    """Draw what each level did.

    Args:
        dots: the levels.
        name: of the target.
        unit: of the gains.
    """
    x = Scale.over([0.0, 110.0, *(100 * dot.cost for dot in dots)], LEFT, RIGHT, most=MOST)
    y = Scale.over([0.0, *(dot.gain for dot in dots)], BOTTOM, TOP)
    parts = [axes(x, y, "worst share of the budget used, %", f"{name}: moved, {unit}")]
    parts.append(line(x(100), TOP - 6, x(100), BOTTOM, "--bad", width=1.3))
    parts.append(text(x(100) + 4, BOTTOM - 6, "budget", colour="--bad", clear=True))
    parts.append(line(LEFT, y(0), RIGHT, y(0), "--mute", dash="2 3"))
    spans: list[tuple[float, float, float]] = []
    for dot in sorted(dots, key=lambda dot: -dot.gain):
        parts.append(_draw(dot, x, y, unit, spans))
    kinds = [kind for kind in KINDS if any(dot.kind == kind for dot in dots)]
    key, bottom = legend([(marker(*_look(kind), size=4.6), kind) for kind in kinds], BOTTOM + 46)
    words = "; ".join(f"{d.name} ({d.kind}): {d.gain:+.1f} {unit} at {100 * d.cost:.0f} % of the budget" for d in dots)
    return picture("levels", f"{name}, by level of intervention", words, bottom, "".join([*parts, key]))


def _look(kind: str) -> tuple[str, float, float, str]:
    index = KINDS.index(kind) if kind in KINDS else len(KINDS)
    return SHAPES[index], 8, 0, COLOURS[index]


def _draw(dot: Dot, x: Scale, y: Scale, unit: str, spans: list[tuple[float, float, float]]) -> str:
    """Return a point with its name beside it, clear of the names drawn before."""
    shape, _, _, colour = _look(dot.kind)
    left, top = x(100 * dot.cost), y(dot.gain)
    says = f"{dot.name}: {dot.gain:+.1f} {unit}, {100 * dot.cost:.0f} % of the budget used"
    side, height, words = _place(dot.name, left, top, x, spans)
    parts = [marker(shape, left, top, colour, size=5, says=says, part="point")]
    if x.beyond(100 * dot.cost):
        parts.append(text(left + 6, top + 4, "\u203a", colour="--fg", size=15))
    parts.append(text(left + (-9 if side == "end" else 9), height, words, anchor=side, colour="--fg", clear=True))
    return f"<g>{''.join(parts)}</g>"


def _place(
    name: str, left: float, top: float, x: Scale, spans: list[tuple[float, float, float]]
) -> tuple[str, float, str]:
    """Return on which side of its point a name stands, its baseline, and what of it fits; notes the room it takes."""
    first = "end" if left > (x.start + x.end) / 2 else "start"
    for step in range(len(spans) + 1):  # beside the point if it can be, else lower
        for side in (first, "start" if first == "end" else "end"):
            words = cut(name, (left - x.start if side == "end" else x.end - left) - 14)
            begin, end = (left - 9 - 7 * len(words), left) if side == "end" else (left, left + 9 + 7 * len(words))
            height = top + 4 + LINE * step
            free = not any(abs(height - other) < LINE and begin < to and since < end for other, since, to in spans)
            if free and (len(words) == len(name) or side == first):
                spans.append((height, begin, end))
                return side, height, words
    return first, top + 4 + LINE * (len(spans) + 1), name
