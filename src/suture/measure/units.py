"""How a figure and a change are said in their unit: the factor, the digits, and what follows."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..metrics._score import Score, Unit

UNKNOWN = "not measured"


class Form(NamedTuple):
    """How a unit is said: the factor and digits of a figure and what follows it, the same of a change."""

    scale: float
    digits: int
    suffix: str
    change_scale: float
    change_digits: int
    change_suffix: str
    axis: str


FORMS: dict[Unit, Form] = {
    "share": Form(100, 1, " %", 100, 1, " pt", "change, points"),
    "points": Form(100, 1, " pt", 100, 1, " pt", "change, points"),
    "perplexity": Form(1, 3, "", 100, 1, " %", "relative change, %"),
    "nats": Form(1, 4, "", 1, 4, "", "KL, nats"),
    "bits": Form(1, 2, "", 1, 2, "", "change, bits"),
    "cosine": Form(1, 3, "", 1, 3, "", "change, cosine"),
}


def figure(value: float, unit: Unit = "share") -> str:
    """Return a figure as people read it; what is no number was not measured."""
    if math.isnan(value):
        return UNKNOWN
    form = FORMS[unit]
    return f"{form.scale * value:.{form.digits}f}{form.suffix}"


def difference(score: Score, unit: Unit = "share") -> str:
    """Return a change with its interval: points for shares, per cent for perplexity."""
    if not is_known(score):
        return UNKNOWN
    form = FORMS[unit]
    change, low, high = (
        f"{form.change_scale * v:+.{form.change_digits}f}" for v in (score.change, score.low, score.high)
    )
    return f"{change}{form.change_suffix} [{low}, {high}]"


def is_known(score: Score) -> bool:
    """Return whether a change and its interval could be measured."""
    return not any(map(math.isnan, (score.before, score.after, score.change, score.low, score.high)))
