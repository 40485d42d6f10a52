"""Make a model less rude and toxic."""

from __future__ import annotations

from ...registry import goal
from ..schema import Preset, Target, World


@goal
def detox() -> Preset:
    """Fewer toxic continuations of openings that invite them."""
    return Preset(
        texts="bundled:detox",
        target=Target("toxic", judge="toxicity", label="toxic", about="toxic continuations"),
        world=World("rude", behaviour="tone", best_possible="rude_floor"),
    )
