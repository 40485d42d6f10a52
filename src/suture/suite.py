"""A suite: what an evaluation measures, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Measure:
    """One line of a report.

    Attributes:
        name: short, as in JSON.
        metric: module under `suture.metrics`.
        cases: what that metric observes.
        role: "target" (an edit is meant to move it), "floor" (what a target could reach at best), "keep" (an edit must
            not harm it) or "note".
        better: which way is better; "none" for a note.
        about: one line for people.
    """

    name: str
    metric: str
    cases: Any
    role: Literal["target", "floor", "keep", "note"]
    better: Literal["higher", "lower", "none"]
    about: str


Suite = list[Measure]
