"""Write facts by training where the loss on texts to keep is flat (CrispEdit).

Source: CrispEdit 2026, arXiv 2602.15823, section 3; curvature as in Martens and Grosse 2015, "Optimizing Neural Networks with
Kronecker-factored Approximate Curvature".
    A = E[a a^T] = U diag(l) U^T,   S = E[g g^T] = V diag(s) V^T       A: (in, in)   S: (out, out)   D: (out, in)
    P(D) = V ((V^T D U) * M) U^T,   M_ij = 1 where s_i l_j is not among the largest that hold `energy` of their sum
a is what the matrix reads at a token of the texts, g the gradient of log P(y) at what it puts out, y drawn from the model.
Differs from the authors' code: each step of Adam is projected, not its gradient alone, which Adam carries out of the
subspace again (`project="gradient"` is theirs); a float32 change moves, never the stored weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .. import registry
from ..data.bundled.neutral import neutral
from ..data.examples import Fact, Texts
from ..data.fact_files import agreeing
from ..errors import NoEffect
from ..model.arch.anatomy import Weight
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import summary
from ._facts.keyvalue import chosen_layer
from ._trained.loop import TOKENS, Full, TokenizedTarget, TrainingConfig, deltas, lines, objective, train
from ._trained.slopes import slopes, whole_matrices

PUBLISHED = (19 / 32, 23 / 32)  # first and last block of Llama 3 8B that the authors edit, as shares of the depth


@method
def crispedit(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    site: str = "mlp.down",
    energy: float = 0.8,
    project: Literal["step", "gradient"] = "step",
    previous: list[Fact] | None = None,
    steps: int = 25,
    rate: float = 5e-4,
    stop: float = 1e-2,
    batch: int = 32,
    keep: Texts | None = None,
    seed: int = 0,
) -> Patch:
    """Make a CrispEdit patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (those at 19/32 to 23/32 of the depth by default; measure).
        site: the matrix of each block.
        energy: share of the curvature that the directions left alone hold; 0 is plain training.
        project: what is kept in the flat directions: each "step", or only the "gradient" that Adam is given.
        previous: facts that the model was edited with before; their curvature is added to that of the texts.
        steps: passes over all facts at most.
        rate: of Adam.
        stop: mean loss of a pass at which to end.
        batch: facts a step.
        keep: texts whose loss shall stay (bundled neutral texts by default).
        seed: of the order, and of the tokens drawn for the curvature.

    Raises:
        NoEffect: when no direction is flat.
    """
    settings = registry.settings()
    facts, texts = agreeing(facts), keep or neutral("probe")
    first, last = (round(share * lm.anatomy.layers) for share in PUBLISHED)
    blocks = range(first, last + 1) if layers is None else sorted({chosen_layer(lm, layer) for layer in layers})
    weights = whole_matrices(lm, site, list(blocks))
    rows = [TokenizedTarget(lm.encode(text)[:TOKENS], 1) for text in texts] + lines(lm, previous or ())
    flat = [Flat.of(curve, energy) for curve in curvature(lm, weights, rows, seed)]
    changes = [Full.of(weight) for weight in weights]

    def project_gradient() -> None:
        for change, directions in zip(changes, flat, strict=True):
            assert change.values.grad is not None
            change.values.grad = directions.project(change.values.grad)

    def project_change() -> None:  # all earlier steps are in the subspace, so this projects the last one
        for change, directions in zip(changes, flat, strict=True):
            change.values.copy_(directions.project(change.values))

    course = TrainingConfig(steps=steps, rate=rate, stop=stop, batch=batch, seed=seed)
    after = project_change if project == "step" else None
    train(changes, lines(lm, facts), objective(lm, changes), course, gradient=project_gradient, after=after)
    examples = {"facts": summary(facts), "keep": texts.summary(), "previous": summary(previous or ())}
    return Patch.make(lm, deltas(changes), method="crispedit", settings=settings, examples=examples)


@dataclass(frozen=True, eq=False)
class Curve:
    """How sharply a loss depends on one matrix: `read` A, (in, in), and `write` S, (out, out), float64."""

    read: Tensor
    write: Tensor


@dataclass(frozen=True, eq=False)
class Flat:
    """The directions in which a matrix may move: `read` U, (in, in), `write` V, (out, out), `free` M, (out, in)."""

    read: Tensor
    write: Tensor
    free: Tensor

    @classmethod
    def of(cls, curve: Curve, energy: float) -> Flat:
        """Leave out the directions of most curvature, as few as hold a share `energy` of all.

        Raises:
            NoEffect: when none is left.
        """
        sizes, read = torch.linalg.eigh(curve.read)
        weights, write = torch.linalg.eigh(curve.write)
        sharp = weights.clamp(min=0)[:, None] * sizes.clamp(min=0)  # (out, in)
        ordered = sharp.flatten().sort(descending=True).values
        before = ordered.cumsum(0) - ordered  # what the larger ones hold together
        count = int((before < energy * ordered.sum()).sum())
        free = sharp < (ordered[count - 1] if count else torch.inf)
        if not bool(free.any()):
            raise NoEffect(
                "no direction is flat",
                why=f"It takes all of them to hold {energy:g} of the curvature of the texts to keep.",
                fix="Lower `energy`.",
            )
        return cls(read, write, free)

    def project(self, change: Tensor) -> Tensor:
        """Return the part of a change that lies in the free directions: (out, in) -> the same."""
        inner = (self.write.T @ change.double().cpu() @ self.read) * self.free
        return (self.write @ inner @ self.read.T).to(change)


def curvature(lm: LM, weights: Sequence[Weight], rows: Sequence[TokenizedTarget], seed: int) -> list[Curve]:
    """Return the factors of the curvature of each weight, means over the tokens of some lines.

    Args:
        lm: the model, as it is now.
        weights: matrices through which every token goes.
        rows: lines, of which the tokens from `begin` on are predicted.
        seed: of the tokens drawn.
    """
    curves = [Curve(*(torch.zeros(size, size, dtype=torch.float64) for size in reversed(w.shape))) for w in weights]
    generator, total = torch.Generator().manual_seed(seed), 0

    def draw(likely: Tensor, _: Tensor) -> Tensor:
        tokens = torch.multinomial(likely.detach().exp().cpu(), 1, generator=generator).to(likely.device)
        return likely.gather(-1, tokens).sum()

    for part in slopes(lm, weights, rows, draw, every=True):
        for curve, (inputs, slope) in zip(curves, part, strict=True):
            curve.read.add_(inputs.T @ inputs)
            curve.write.add_(slope.T @ slope)
        total += len(part[0][0])
    return [Curve(curve.read / total, curve.write / total) for curve in curves]
