"""How well a model is while edits add up: perplexity, loops, and how far its weights have moved, against limits.

    moved   =   |sum of changes|_F / |W|_F      the largest over the changed matrices; W: (out, in)
Source: Gupta et al. 2024, "Model Editing at Scale leads to Gradual and Catastrophic Forgetting", section 4: before an edited
model breaks, its weights jump and its text degenerates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..io.json_files import read_json, write_json
from ..metrics import loops, perplexity
from ..metrics._written import Cases
from ..model.lm import LM
from ..patch.delta import change, touched
from ..patch.effect import in_weights
from ..patch.patch import Patch
from .limits import parse_limits

ROWS = 4096  # of a change made at a time
START = 5  # words of a text that free writing begins with


@dataclass(frozen=True)
class Limits:
    """What a model may lose before edits stop.

    Attributes:
        perplexity: most that it may rise on neutral text, relative to the base.
        loops: most that the share of free texts that end in a loop may rise.
        jump: most by which one batch may lengthen the change of a matrix, in units of what batches before it did on average. How
            far a matrix may move at all differs from model to model.
    """

    perplexity: float = 0.25
    loops: float = 0.1
    jump: float = 5.0

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read limits as the command line has them: "perplexity=0.5,loops=0.2,jump=8".

        Raises:
            UsageError: for an unknown name, or a number that is none.
        """
        return parse_limits(cls, text, "limit", "perplexity=0.25,loops=0.1,jump=5")


@dataclass(frozen=True)
class Health:
    """How a model is.

    Attributes:
        perplexity: on neutral texts.
        loops: share of free texts that end in a loop.
        moved: changed tensor -> norm of its change, as a share of its own.
    """

    perplexity: float
    loops: float
    moved: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(asdict(self), path)

    @classmethod
    def load(cls, path: Path) -> Health:
        """Read what `save` wrote."""
        return cls(**read_json(path))

    @property
    def farthest(self) -> float:
        """How far the matrix that moved most did."""
        return max(self.moved.values(), default=0.0)

    def complaints(self, base: Health, limits: Limits, earlier: Sequence[Health] = ()) -> list[str]:
        """Return what is beyond the limits, in words; a figure that is no number always is.

        Args:
            base: of the base model.
            limits: what may be lost.
            earlier: after each batch before, in order.
        """
        complaints = []
        rise = self.perplexity / base.perplexity - 1
        if not rise <= limits.perplexity:
            complaints.append(
                f"perplexity {base.perplexity:.3f} -> {self.perplexity:.3f} ({rise:+.0%}, at most {limits.perplexity:+.0%})"
            )
        more = self.loops - base.loops
        if not more <= limits.loops:
            complaints.append(f"loops {base.loops:.0%} -> {self.loops:.0%} (at most {limits.loops:+.0%})")
        if earlier and earlier[-1].farthest:
            usual, grown = earlier[-1].farthest / len(earlier), self.farthest - earlier[-1].farthest
            if not grown <= limits.jump * usual:
                complaints.append(
                    f"weights jumped: {grown:.2f} of their norm in a batch, {usual:.2f} usually (at most {limits.jump:g} times)"
                )
        return complaints

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def examine(lm: LM, patch: Patch | None, texts: Sequence[str]) -> Health:
    """Measure a model with a patch, on texts and on how it goes on from their first words."""
    starts = list(dict.fromkeys(" ".join(text.split()[:START]) for text in texts))
    with patch.used(lm) if patch else nullcontext():
        loss = perplexity.observe(lm, texts).mean
        looping = loops.observe(lm, Cases(starts, max_new_tokens=40)).mean
    return Health(
        math.exp(min(loss, 700.0)) if loss == loss else math.nan, looping, movement(lm, patch) if patch else {}
    )


def movement(lm: LM, patch: Patch) -> dict[str, float]:
    """Return how far each matrix moves, as a share of its norm: the norm of the sum of all changes, not the sum of norms."""
    shares = {}
    for name, terms in patch.terms.items():
        weights = in_weights(terms)
        if not weights:
            continue
        live = lm.tensor(name).detach()
        shape, total = tuple(live.shape), 0.0
        for rows in touched(weights, shape).split(ROWS):
            total += float(change(weights, rows, shape).square().sum())
        shares[name] = total**0.5 / max(float(live.double().norm()), 1e-300)
    return shares


def by_block(lm: LM, patch: Patch) -> dict[int, float]:
    """Return how far each block's matrices move, as a share of the norm of those that change; blocks that stay are 0."""
    squares = {layer: [0.0, 0.0] for layer in range(lm.anatomy.layers)}
    for name, share in movement(lm, patch).items():
        size = float(lm.tensor(name).detach().double().norm())
        for layer in {weight.site.layer for weight in lm.anatomy.on(name)}:
            squares[layer][0] += (share * size) ** 2
            squares[layer][1] += size**2
    return {layer: (part / whole) ** 0.5 if whole else 0.0 for layer, (part, whole) in squares.items()}
