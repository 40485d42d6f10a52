"""Dose and response: the target over the strength of an edit, and below it what the strength costs.

The upper panel shows the target with its floor, and what the base does; the lower one what each property to keep lost, with the
budget as lines without markers. Properties that hardly moved are one line. A dotted line marks the chosen strength.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ._svg import WIDTH, Scale, axes, curve, legend, line, look, marker, picture, round_text, short_text, text

LEFT, RIGHT = 40, WIDTH - 14
TOP, BOTTOM, LOWER_TOP, LOWER_BOTTOM = 34, 150, 190, 300  # heights of the panels' edges
ABOVE = 1.15  # of a budget, so that its label has room below the panel's edge
FLAT = 0.5  # points or per cent: what moved less at every strength is not drawn by itself
ROOM = 4  # the lower panel ends at this many budgets; what costs more is drawn at its edge

Sign = tuple[str, str]  # a mark and its words in the legend


def dose_response(
    strengths: Sequence[float],
    target: Sequence[float],
    damage: Mapping[str, Sequence[float]],
    *,
    name: str,
    floor: float | None = None,
    limits: Mapping[str, float] | None = None,
    chosen: float | None = None,
    unit: str = "%",
) -> str:
    """Draw target and damage over strength.

    Args:
        strengths: of the edit, ascending; 0 is the base.
        target: at each strength, in `unit`.
        damage: for each property to keep what it lost at each strength, in points or per cent; a gain is negative.
        name: of the target.
        floor: where the target could be at best, in `unit`.
        limits: what may be lost, by the words it is labelled with.
        chosen: the strength that was chosen.
        unit: of the target.
    """
    x = Scale.over(strengths, LEFT, RIGHT)
    upper, parts, signs = _target(x, strengths, target, name, floor, unit, last=not damage)
    key, bottom = legend(signs, BOTTOM + (20 if damage else 46))
    panels = [upper]
    if damage:
        parts.append(key)
        lower, marks, signs, edge = _damage(x, strengths, damage, limits or {}, bottom - (LOWER_TOP - 30))
        parts += marks
        panels.append(lower)
        key, bottom = legend(signs, edge + 46)
    parts.append(key)
    if chosen is not None:
        parts += _chosen_line(x, chosen, panels)
    words = _words(strengths, target, damage, name, unit)
    return picture("dose-response", f"{name} over the strength of the edit", words, bottom, "".join(parts))


def _target(
    x: Scale,
    strengths: Sequence[float],
    target: Sequence[float],
    name: str,
    floor: float | None,
    unit: str,
    *,
    last: bool,
) -> tuple[Scale, list[str], list[Sign]]:
    """Return the scale, the marks and the signs of the upper panel; the last panel names the strength."""
    y = Scale.over([*target, 0.0, *([] if floor is None else [floor])], BOTTOM, TOP)
    parts = [axes(x, y, "strength" if last else "", f"{name}, {unit}")]
    signs = [(curve([(0, 0), (16, 0)], "--edit") + marker("circle", 8, 0, "--edit"), name)]
    if floor is not None:
        parts.append(line(LEFT, y(floor), RIGHT, y(floor), "--mute", dash="5 3", width=1.3))
        signs.append(
            (line(0, 0, 16, 0, "--mute", dash="5 3", width=1.3), f"floor {round_text(round(floor, 1))} {unit}")
        )
    if 0.0 in strengths and strengths[0] < 0.0 < strengths[-1]:
        parts.append(line(x(0), TOP, x(0), BOTTOM, "--line"))
    if 0.0 in strengths and math.isfinite(base := target[list(strengths).index(0.0)]):
        parts.append(line(LEFT, y(base), RIGHT, y(base), "--base", dash="2 3"))
        signs.append((line(0, 0, 16, 0, "--base", dash="2 3"), f"base {round_text(round(base, 1))} {unit}"))
    return y, parts + _series(x, y, strengths, target, "--edit", "circle", "", name, unit), signs


def _damage(
    x: Scale,
    strengths: Sequence[float],
    damage: Mapping[str, Sequence[float]],
    limits: Mapping[str, float],
    shift: float,
) -> tuple[Scale, list[str], list[Sign], float]:
    """Return the scale, the marks, the signs and the lower edge of the lower panel, moved down by `shift`."""
    finite = [v for values in damage.values() for v in values if math.isfinite(v)]
    most = ROOM * max(limits.values()) if limits else math.inf
    reach = [0.0, *finite, *(ABOVE * limit for limit in limits.values())]
    y = Scale.over(reach, LOWER_BOTTOM + shift, LOWER_TOP + shift, most=most)
    parts = [axes(x, y, "strength", "lost by what is to keep, points (perplexity: %)")]
    for limit, height in limits.items():
        parts.append(line(LEFT, y(height), RIGHT, y(height), "--bad", width=1.3))
        parts.append(text(LEFT + 4, y(height) - 3, limit, colour="--bad", clear=True))
    signs: list[Sign] = []
    still = [measure for measure, values in damage.items() if all(abs(v) < FLAT for v in values)]
    if len(still) > 1:
        parts.append(line(LEFT, y(0), RIGHT, y(0), "--mute", width=2))
        signs.append((line(0, 0, 16, 0, "--mute", width=2), f"{len(still)} more: within {FLAT:g}"))
    series = {measure: values for measure, values in damage.items() if len(still) < 2 or measure not in still}
    for index, (measure, values) in enumerate(series.items()):
        colour, shape, dash = look(index)
        parts += _series(x, y, strengths, values, colour, shape, dash, measure, "")
        signs.append((curve([(0, 0), (16, 0)], colour, dash) + marker(shape, 8, 0, colour), measure))
    return y, parts, signs, LOWER_BOTTOM + shift


def _chosen_line(x: Scale, chosen: float, panels: Sequence[Scale]) -> list[str]:
    """Return the line through all panels at the chosen strength, with its words."""
    parts = [line(x(chosen), panel.start, x(chosen), panel.end, "--fg", dash="2 2") for panel in panels]
    anchor, away = ("end", -4) if x(chosen) > WIDTH / 2 else ("start", 4)
    words = f"chosen: {short_text(chosen)}"
    return [*parts, text(x(chosen) + away, TOP + 12, words, anchor=anchor, colour="--fg", clear=True)]


def _words(
    strengths: Sequence[float], target: Sequence[float], damage: Mapping[str, Sequence[float]], name: str, unit: str
) -> str:
    """Return the picture as a sentence, for those who do not see it."""
    figures = "; ".join(
        f"strength {s:g}: {v:.1f} {unit}" for s, v in zip(strengths, target, strict=True) if not math.isnan(v)
    )
    finite = {measure: [v for v in values if not math.isnan(v)] for measure, values in damage.items()}
    lost = "; ".join(
        f"{measure} at most {max(losses):.1f}" if losses else f"{measure} not measured"
        for measure, losses in finite.items()
    )
    return f"{name}: {figures}." + (f" Lost: {lost}." if lost else "")


def _series(
    x: Scale,
    y: Scale,
    at: Sequence[float],
    values: Sequence[float],
    colour: str,
    shape: str,
    dash: str,
    name: str,
    unit: str,
) -> list[str]:
    """Return a line with its markers; what is no number is left out."""
    points = [(s, v) for s, v in zip(at, values, strict=True) if not math.isnan(v)]
    parts = [curve([(x(s), y(v)) for s, v in points], colour, dash)]
    for s, v in points:
        says = f"{name} at {s:g}: {v:.2f} {unit}".rstrip() + (" (beyond the picture)" if y.beyond(v) else "")
        parts.append(marker(shape, x(s), y(v), colour, says=says, part="point"))
    return parts
