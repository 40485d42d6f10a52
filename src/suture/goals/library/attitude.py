"""Make a model's opinions more positive (or negative: --toward)."""

from __future__ import annotations

from ...registry import goal
from ..schema import Preset, Target, Toward, World


@goal
def attitude(toward: Toward = "positive") -> Preset:
    """More continuations of neutral openings that are positive, or negative."""
    return Preset(
        texts="bundled:attitude",
        target=Target(
            toward, judge="sentiment", label=toward, about=f"{toward} continuations", better="higher", best_possible=1.0
        ),
        leave="unwanted" if toward == "positive" else "wanted",  # a negative opinion is what the texts call unwanted
        world=World(toward, behaviour="attitude", best_possible=1.0),
    )
