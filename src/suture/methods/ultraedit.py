"""Write many facts from one backward pass, by least squares on normalised gradients (UltraEdit).

Source: Gu et al. 2025, "UltraEdit: Training-, Subject-, and Memory-Free Lifelong Editing in Language Models".
    W' = W + V^T (H H^T + e I)^-1 H,   v_t = -s |h'_t|^2 g'_t      W: (out, in)   H: (tokens, in)   V: (tokens, out)
h_t is what the matrix reads at a token that predicts the target, g_t the gradient of the loss at what it puts out there;
h' and g' are normalised in each coordinate by running means and deviations.
Differs from the authors' code: s and e are relative, to the length of what the matrix puts out and of what it reads (the
published 1e-6 and 1 depend on a model's scale); each matrix has statistics of its own, not each shape; these begin with
texts to keep, so that a single fact has something to be compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import registry
from ..data.bundled.neutral import neutral
from ..data.examples import Fact, Texts
from ..data.fact_files import agreeing
from ..model.arch.anatomy import Weight
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.delta_kind import Delta
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import several_layers, summary
from ._facts.least_squares import least_squares
from ._trained.loop import TOKENS, Full, TokenizedTarget, in_effect, lines
from ._trained.slopes import Slopes, slopes, whole_matrices


@method
def ultraedit(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    site: str = "mlp.down",
    strength: float = 1.0,
    ridge: float = 1.0,
    batch: int = 100,
    keep: Texts | None = None,
    seed: int = 0,
) -> Patch:
    """Make an UltraEdit patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        site: the matrix of each block.
        strength: s above, in units of the mean length of what the matrix puts out at the facts' tokens.
        ridge: e above, in units of the mean squared length of what it reads there.
        batch: write so many facts at a time, each batch on the model with those before it.
        keep: texts with which the means and deviations begin (bundled neutral texts by default).
        seed: not used: nothing is drawn.
    """
    settings = registry.settings()
    facts, texts = agreeing(facts), keep or neutral("probe")
    weights = whole_matrices(lm, site, several_layers(lm, layers))
    changes = [Full.of(weight) for weight in weights]
    all_terms: list[list[LowRank]] = [[] for _ in weights]
    usual = [(Usual.none(weight.shape[1]), Usual.none(weight.shape[0])) for weight in weights]  # of h and of g
    text_rows = [TokenizedTarget(lm.encode(text)[:TOKENS], 1) for text in texts]
    for (usual_h, usual_g), (h, g) in zip(usual, gathered(lm, weights, text_rows), strict=True):
        usual_h.take(h)
        usual_g.take(g)
    rows = lines(lm, facts)
    for begin in range(0, len(rows), batch):
        with in_effect(lm, changes):
            gradients = gathered(lm, weights, rows[begin : begin + batch])
        for change, (h, g), (usual_h, usual_g), terms in zip(changes, gradients, usual, all_terms, strict=True):
            usual_h.take(h)
            usual_g.take(g)
            now = change.weight.matrix().cpu().double() + change.values.detach().cpu().double()
            length = strength * float((h @ now.T).norm(dim=1).mean())
            terms.append(fitted(h, targets(usual_h.of(h), usual_g.of(g), length), ridge))
            change.values.data += (terms[-1].left @ terms[-1].right).to(change.values)
    examples = {"facts": summary(facts), "keep": texts.summary()}
    changed = {change.weight.tensor: _deltas(change, terms) for change, terms in zip(changes, all_terms, strict=True)}
    return Patch.make(lm, changed, method="ultraedit", settings=settings, examples=examples)


@dataclass(eq=False)
class Usual:
    """What vectors are usually like, coordinate by coordinate: how many were seen, their mean, squared deviations summed."""

    count: int
    mean: Tensor
    spread: Tensor

    @classmethod
    def none(cls, size: int) -> Usual:
        """Return the state before any was seen."""
        return cls(0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64))

    def take(self, vectors: Tensor) -> None:
        """Add vectors, (n, size); it does not matter in how many parts they come."""
        total = self.count + len(vectors)
        mean, spread = vectors.mean(0), (vectors - vectors.mean(0)).square().sum(0)
        away = mean - self.mean
        self.spread = self.spread + spread + away.square() * self.count * len(vectors) / total
        self.mean = self.mean + away * len(vectors) / total
        self.count = total

    def of(self, vectors: Tensor) -> Tensor:
        """Return vectors in units of the deviation from the mean; a coordinate that never varied is 0."""
        deviation = (self.spread / max(self.count - 1, 1)).sqrt()
        return torch.where(deviation > 0, (vectors - self.mean) / deviation.clamp(min=1e-300), 0.0)


def targets(inputs: Tensor, slopes: Tensor, length: float) -> Tensor:
    """Return what outputs shall gain: against their gradients, as much as the inputs are unusual, of a mean length.

    Args:
        inputs: h', (tokens, in).
        slopes: g', (tokens, out).
        length: the mean length of a row of the result, (tokens, out).
    """
    gains = -inputs.square().sum(1, keepdim=True) * slopes
    return length * gains / gains.norm(dim=1).mean().clamp(min=1e-300)


def fitted(inputs: Tensor, gains: Tensor, ridge: float) -> LowRank:
    """Return the D that minimises |D h_t - v_t|^2 summed + e |D|^2.

    Args:
        inputs: H, (tokens, in).
        gains: V, (tokens, out).
        ridge: e, in units of the mean squared length of an input.
    """
    damping = ridge * inputs.square().sum(1).mean()
    return least_squares(damping * torch.eye(inputs.shape[1], dtype=inputs.dtype), inputs, gains)


def gathered(lm: LM, weights: Sequence[Weight], rows: Sequence[TokenizedTarget]) -> list[Slopes]:
    """Return inputs and gradients of each weight at the tokens that predict those of the lines from `begin` on."""
    parts = list(
        slopes(lm, weights, rows, lambda likely, tokens: -likely.gather(-1, tokens[:, None]).sum(), every=False)
    )
    return [(torch.cat([h for h, _ in part]), torch.cat([g for _, g in part])) for part in zip(*parts, strict=True)]


def _deltas(change: Full, terms: Sequence[LowRank]) -> Delta | list[Delta]:
    """Return the factors, or the whole matrix where that is smaller."""
    rank = sum(term.left.shape[1] for term in terms)
    smaller = rank * sum(change.weight.shape) < change.weight.shape[0] * change.weight.shape[1]
    return [change.weight.place(term) for term in terms] if smaller else change.delta()
