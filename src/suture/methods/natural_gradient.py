"""Change a behaviour by one step of natural gradient, of low rank in each gate projection.

Source: Amari 1998, "Natural Gradient Works Efficiently in Learning"; curvature as in Martens and Grosse 2015, "Optimizing Neural
Networks with Kronecker-factored Approximate Curvature". What it changes is what Model Surgery changes (Wang et al. 2025): a
direction is added to the rows of gate projections; here the direction and how much of it each row gets are found together.
    G = sum_t g_t x_t^T                      of S = log P(wanted | start) - log P(unwanted | start), summed over contrasts
    A = sum_t x_t x_t^T + ridge              over texts to keep and wanted ones
    B = diag(mean_t f_t^2) + ridge           over texts to keep
    D = B^-1/2 [B^-1/2 G A^-1/2]_rank A^-1/2                            [M]_rank: its largest singular triplets
x_t: (d_model,) is what the gate reads at token t, g_t, f_t: (d_ff,) the gradients of S and of log P(text to keep) at what it puts
out; D, G: (d_ff, d_model), A: (d_model, d_model), B: (d_ff, d_ff), a ridge is a small share of the mean of the diagonal. Of all
changes of its rank D gains most for what the curvature forecasts it to cost. The further triplets are mostly what a few contrasts
have by chance (`make bench-gradients` compares ranks on a real model).
The unit of strength is measured: at 1, predictions on texts to keep that A and B have not seen move by COST nats a token.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from .. import registry
from ..data.examples import Behaviour, Texts
from ..errors import NoEffect, UsageError
from ..locate._probes import alternating, within_tokens
from ..locate._row_slopes import SignedText, contrasted, likelihood, row_slopes
from ..locate.probe import DAMPING, second_moments
from ..model.arch.anatomy import Site, Weight
from ..model.lm import LM
from ..model.run.batches import bucketed, tokens_with_logits
from ..model.run.contrasts import contrasts
from ..numerics.divergence import kl_divergence
from ..patch.delta import LowRank
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method

COST = 0.01  # nats a token by which a step of strength 1 moves predictions on texts to keep
TEXTS, TOKENS = 16, 64  # texts by which that is measured, and tokens of each
HELD_OUT, FEWEST = 8, 32  # one in so many texts to keep is for that alone, where there are enough
START, LEAP, NEAR, ROUNDS = (
    0.02,
    8.0,
    1.5,
    16,
)  # share of a matrix's norm tried first; how its multiple is come nearer to
HELD = 2**31  # bytes of gradients that are held together; more blocks take more passes
READ_TOKENS, SHARP_TOKENS = 2**17, 2**12  # tokens of texts to keep that make A, and B, at most
PAIRS = 96  # unwanted texts that are continued both ways, at most
Step = tuple[Weight, Tensor, Tensor]  # the change of one weight: (d_ff, rank) and (rank, d_model), float64


@method
def natural_gradient(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    strength: float = 1.0,
    toward: Literal["wanted", "unwanted"] = "wanted",
    keep: Texts | None = None,
    rank: int = 1,
    site: str | None = None,
    layers: list[int] | None = None,
    pairs: int = PAIRS,
    seed: int = 0,
) -> Patch:
    """Make a natural-gradient patch.

    Args:
        lm: the model; not changed.
        behaviours: what to change; several are done one after the other, each on the model edited so far.
        strength: how far to step; at 1 predictions on texts to keep, an eighth of which is held out for this, move by 0.01 nats
            a token.
        toward: "wanted" makes label 1 rarer; "unwanted" does the opposite.
        keep: texts whose predictions must not suffer (the wanted texts if there are none). With several behaviours the texts of
            the earlier ones are added.
        rank: of the change of each matrix.
        site: the matrix to edit (the first of the MLP by default); it must read what the MLP reads.
        layers: only these blocks.
        pairs: unwanted texts used at most, each continued by its own rest and by that of a wanted one.
        seed: of the pairing.

    Raises:
        UsageError: for a matrix that reads anything else.
        NoEffect: when nothing that the matrices do moves the behaviour.
    """
    settings, many = registry.settings(), behaviours if isinstance(behaviours, list) else [behaviours]
    if rank < 1 or pairs < 1:
        raise UsageError(f"rank {rank} from {pairs} pairs is no change", fix="Give at least 1 of each.")
    weights = _weights(lm, site, layers)
    texts, terms = Texts(keep or ()), list[tuple[str, Delta]]()
    for behaviour in many:
        mine = behaviour if toward == "wanted" else behaviour.reversed()
        few = replace(mine, examples=tuple(alternating(mine.examples)[: 2 * pairs]))
        kept = within_tokens(lm, texts or [e.text for e in few.examples if not e.label], READ_TOKENS)
        with _patch(lm, terms).applied(lm) if terms else nullcontext():
            read, unread = _parted(kept)
            steps = _steps(lm, weights, few, read, pairs, rank, seed)
            terms += _deltas(steps, strength * _unit(lm, steps, unread))
        if texts:
            texts = Texts((*texts, *(e.text for e in behaviour.examples)))  # a later edit leaves this one alone
    examples = {"behaviours": [b.summary() for b in many], "keep": Texts(keep or ()).summary()}
    return Patch.make(lm, by_tensor(terms), method="natural_gradient", settings=settings, examples=examples)


def _weights(lm: LM, site: str | None, layers: Sequence[int] | None) -> list[Weight]:
    """Return the matrices to change."""
    part = site or lm.anatomy.first
    if part not in ("mlp.gate", "mlp.up", lm.anatomy.first):
        raise UsageError(f"{part} does not read what the MLP reads", fix=f"Name {lm.anatomy.first}, or leave it out.")
    return lm.anatomy.weights(part, list(layers) if layers is not None else None)


def _steps(
    lm: LM, weights: Sequence[Weight], behaviour: Behaviour, keep: Sequence[str], pairs: int, rank: int, seed: int
) -> list[Step]:
    """Return the change of each weight."""
    rows = contrasted(*contrasts(lm, behaviour, random.Random(seed), pairs))
    return [step for part in _portions(weights) for step in _portion(lm, part, behaviour, rows, keep, rank)]


def _parted(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return texts that A and B are made from, and others that tell what a step costs; the same ones where there are few."""
    if len(texts) < FEWEST:
        return list(texts), list(texts)
    return [text for number, text in enumerate(texts) if number % HELD_OUT], list(texts[::HELD_OUT])


def _portions(weights: Sequence[Weight]) -> Iterator[list[Weight]]:
    """Yield the weights in portions whose gradients are held together."""
    portion, size = list[Weight](), 0
    for weight in weights:
        more = 4 * weight.shape[0] * weight.shape[1]
        if portion and size + more > HELD:
            yield portion
            portion, size = [], 0
        portion.append(weight)
        size += more
    if portion:
        yield portion


@torch.no_grad()
def _portion(
    lm: LM, weights: Sequence[Weight], behaviour: Behaviour, rows: Sequence[SignedText], keep: Sequence[str], rank: int
) -> Iterator[Step]:
    """Yield the largest singular triplets of each weight's whitened gradient, led back to the weight's own space."""
    gains, sharpness = (
        _gains(lm, weights, rows),
        _sharpness(lm, weights, likelihood(lm, within_tokens(lm, keep, SHARP_TOKENS))),
    )
    layers = sorted({weight.site.layer for weight in weights})
    whiteners = map(_whitener, second_moments(lm, layers, keep, behaviour))
    for layer, whitener in zip(layers, whiteners, strict=True):
        for weight in (weight for weight in weights if weight.site.layer == layer):
            sharp = sharpness[weight.site]
            spread = (sharp + sharp.mean()).rsqrt()[:, None]  # (d_ff, 1): B^-1/2
            whitened = (spread * gains[weight.site].double()) @ whitener
            if not (bool(torch.isfinite(whitened).all()) and bool(whitened.any())):  # an expert that no text went to
                continue
            _, vectors = torch.linalg.eigh(whitened.T @ whitened)  # rising
            right = vectors[:, -rank:].flip(1)  # (d_model, rank)
            yield weight, spread * (whitened @ right), (whitener @ right).T


def _whitener(moment: Tensor) -> Tensor:
    """Return (d, d) L^-T of A = L L^T, the damped sum of x x^T: whitened by it, directions of one length cost alike."""
    identity = torch.eye(len(moment), dtype=moment.dtype)
    factor = torch.linalg.cholesky(moment + DAMPING * moment.diagonal().mean() * identity)
    return torch.linalg.solve_triangular(factor, identity, upper=False).T


def _gains(lm: LM, weights: Sequence[Weight], texts: Sequence[SignedText]) -> dict[Site, Tensor]:
    """Return dS/dW of each weight, (d_ff, d_model) float32, on the CPU."""
    gains = {weight.site: torch.zeros(weight.shape) for weight in weights}
    for inputs, slopes in row_slopes(lm, weights, texts):
        for weight, slope in slopes:
            gains[weight.site] += (slope.T @ inputs).cpu()
    return gains


def _sharpness(lm: LM, weights: Sequence[Weight], texts: Sequence[SignedText]) -> dict[Site, Tensor]:
    """Return the mean square of the gradient at each output, over the tokens of texts: (d_ff,) float64."""
    sums = {weight.site: torch.zeros(weight.shape[0], dtype=torch.float64) for weight in weights}
    for _, slopes in row_slopes(lm, weights, texts):
        for weight, slope in slopes:
            sums[weight.site] += slope.square().sum(0).double().cpu()
    count = sum(len(text.ids) - text.begin for text in texts)
    return {site: total / count for site, total in sums.items()}


@torch.no_grad()
def _unit(lm: LM, steps: Sequence[Step], texts: Sequence[str]) -> float:
    """Return the multiple of the steps at which predictions on texts move by COST nats a token.

    Raises:
        NoEffect: when there is none.
    """
    rows = [lm.encode(text)[:TOKENS] for text in texts[:: max(1, len(texts) // TEXTS)]]
    base = _predictions(lm, rows)
    lengths = [float((left @ right).norm() / weight.matrix().norm()) for weight, left, right in steps]
    scale, low, high = START / max(lengths, default=1.0), 0.0, math.inf
    for _ in range(ROUNDS if lengths else 0):
        with _patch(lm, _deltas(steps, scale)).applied(lm):
            now = _predictions(lm, rows)
        moved = sum(float(kl_divergence(a, b).sum()) for a, b in zip(base, now, strict=True)) / sum(map(len, base))
        if COST / NEAR <= moved <= COST * NEAR:
            return scale * float((COST / moved) ** 0.5)
        low, high = (scale, high) if moved < COST else (low, scale)
        scale = (low * high) ** 0.5 if low and high < math.inf else low * LEAP if low else high / LEAP
    raise NoEffect(
        "no change of these matrices moves predictions a little",
        why=f"A step of strength 1 is one that moves them by {COST:g} nats a token on texts to keep.",
        fix="Name other blocks, or another `site`.",
    )


def _predictions(lm: LM, rows: Sequence[list[int]]) -> list[Tensor]:
    """Return the log-probabilities of all next tokens of rows, (tokens, vocabulary) float32 on the CPU."""
    predictions: dict[int, Tensor] = {}
    for group in bucketed([len(row) for row in rows], tokens_with_logits(int(lm.model.config.vocab_size))):
        logits = lm.forward(lm.batch([rows[i] for i in group])).logits
        for place, index in enumerate(group):
            predictions[index] = logits[place, : len(rows[index])].float().log_softmax(-1).cpu()
    return [predictions[i] for i in range(len(rows))]


def _patch(lm: LM, terms: Sequence[tuple[str, Delta]]) -> Patch:
    """Return changes as a patch that nobody keeps."""
    return Patch.make(lm, by_tensor(terms), method="natural_gradient", settings={})


def _deltas(steps: Sequence[Step], scale: float) -> list[tuple[str, Delta]]:
    """Return the change of each tensor at a multiple of the steps."""
    return [
        (weight.tensor, weight.place(LowRank((left * scale).float().contiguous(), right.float().contiguous())))
        for weight, left, right in steps
    ]
