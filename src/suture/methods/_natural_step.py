"""One step of natural gradient, of low rank in each gate projection: the most gain for what it costs texts to keep.

Source: Amari 1998, "Natural Gradient Works Efficiently in Learning"; curvature as in Martens and Grosse 2015, "Optimizing Neural
Networks with Kronecker-factored Approximate Curvature". What it changes is what Model Surgery changes (Wang et al. 2025): a
direction is added to the rows of gate projections; here the direction and how much of it each row gets are found together.
    G = sum_t g_t x_t^T                      of S, a sum of log-likelihoods of texts, each with a weight
    A = sum_t x_t x_t^T + ridge              over texts to keep, and others that count less
    B = diag(mean_t f_t^2) + ridge           over texts to keep
    D = B^-1/2 [B^-1/2 G A^-1/2]_rank A^-1/2                            [M]_rank: its largest singular triplets
x_t: (d_model,) is what the gate reads at token t, g_t, f_t: (d_ff,) the gradients of S and of log P(text to keep) at what it puts
out; D, G: (d_ff, d_model), A: (d_model, d_model), B: (d_ff, d_ff), a ridge is a small share of the mean of the diagonal. Of all
changes of its rank D gains most for what the curvature forecasts it to cost. The further triplets are mostly what a few texts
have by chance (`make bench-gradients` compares ranks on a real model).
The unit of strength is measured: at 1, predictions on texts to keep that A and B have not seen move by COST nats a token.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..data.examples import Behaviour
from ..errors import NoEffect, UsageError
from ..locate._probes import within_tokens
from ..locate._row_slopes import SignedText, likelihood, row_slopes
from ..locate.probe import DAMPING, second_moments
from ..model.arch.anatomy import Site, Weight
from ..model.lm import LM
from ..model.run.batches import bucketed, tokens_with_logits
from ..numerics.divergence import kl_divergence
from ..patch.delta import LowRank
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch

COST = 0.01  # nats a token by which a step of strength 1 moves predictions on texts to keep
TEXTS, LONGEST = 16, 384  # texts by which that is measured, and tokens of each
KEPT = 2**26  # log-probabilities kept for that, 256 MB; where a vocabulary is large, of evenly spaced positions
HELD_OUT, FEWEST = 8, 32  # one in so many texts to keep is for that alone, where there are enough
START, LEAP, NEAR, ROUNDS = (
    0.02,
    8.0,
    1.5,
    16,
)  # share of a matrix's norm tried first; how its multiple is come nearer to
HELD = 2**31  # bytes of gradients that are held together; more blocks take more passes
READ_TOKENS, SHARP_TOKENS = 2**17, 2**12  # tokens of texts to keep that make A, and B, at most
BESIDE = 0.1  # what texts beside those to keep count: of 1 a behaviour hardly moves, of 0 its texts turn to rubble
Step = tuple[Weight, Tensor, Tensor]  # the change of one weight: (d_ff, rank) and (rank, d_model), float64


def change(
    lm: LM,
    weights: Sequence[Weight],
    texts: Sequence[SignedText],
    keep: Sequence[str],
    *,
    rank: int,
    strength: float,
    behaviour: Behaviour | None = None,
    beside: Sequence[str] = (),
) -> list[tuple[str, Delta]]:
    """Return the change of each tensor, on the model as it is.

    Args:
        lm: the model.
        weights: to change, see `weights_of`.
        texts: whose log-likelihood is to rise, or to fall where the sign is below 0.
        keep: texts whose predictions must not suffer.
        rank: of the change of each matrix.
        strength: multiple of the unit.
        behaviour: its wanted texts are kept, too.
        beside: other texts in which the matrices are not to read much that is new; all of them count BESIDE of those to keep.

    Raises:
        NoEffect: when nothing that the matrices do moves the texts.
    """
    read, unread = _parted(within_tokens(lm, keep, READ_TOKENS))
    steps = [step for part in _portions(weights) for step in _portion(lm, part, behaviour, texts, read, rank, beside)]
    return _deltas(steps, strength * _unit(lm, steps, unread))


def weights_of(lm: LM, site: str | None, layers: Sequence[int] | None) -> list[Weight]:
    """Return the matrices to change.

    Raises:
        UsageError: for one that does not read what the MLP reads.
    """
    part = site or lm.anatomy.first
    if part not in ("mlp.gate", "mlp.up", lm.anatomy.first):
        raise UsageError(f"{part} does not read what the MLP reads", fix=f"Name {lm.anatomy.first}, or leave it out.")
    return lm.anatomy.weights(part, list(layers) if layers is not None else None)


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
    lm: LM,
    weights: Sequence[Weight],
    behaviour: Behaviour | None,
    texts: Sequence[SignedText],
    keep: Sequence[str],
    rank: int,
    beside: Sequence[str] = (),
) -> Iterator[Step]:
    """Yield the largest singular triplets of each weight's whitened gradient, led back to the weight's own space."""
    gains, sharpness = (
        _gains(lm, weights, texts),
        _sharpness(lm, weights, likelihood(lm, within_tokens(lm, keep, SHARP_TOKENS))),
    )
    layers = sorted({weight.site.layer for weight in weights})
    moments = second_moments(lm, layers, keep, behaviour)
    if beside:
        others = second_moments(lm, layers, beside)
        size, other = (m.diagonal(dim1=1, dim2=2).sum(1) for m in (moments, others))
        moments = moments + BESIDE * (size / other)[:, None, None] * others
    whiteners = map(_whitener, moments)
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
    rows = [lm.encode(text)[:LONGEST] for text in texts[:: max(1, len(texts) // TEXTS)]]
    stride = max(1, -(-sum(map(len, rows)) * int(lm.model.config.vocab_size) // KEPT))
    base = _predictions(lm, rows, stride)
    lengths = [float((left @ right).norm() / weight.matrix().norm()) for weight, left, right in steps]
    scale, low, high = START / max(lengths, default=1.0), 0.0, math.inf
    for _ in range(ROUNDS if lengths else 0):
        with unkept(lm, _deltas(steps, scale)).applied(lm):
            now = _predictions(lm, rows, stride)
        moved = sum(float(kl_divergence(a, b).sum()) for a, b in zip(base, now, strict=True)) / sum(map(len, base))
        if COST / NEAR <= moved <= COST * NEAR:
            return scale * float((COST / moved) ** 0.5)
        low, high = (scale, high) if moved < COST else (low, scale)
        # a divergence grows with the square of what is small; one that is no number is far too large
        factor = 0.0 if not math.isfinite(moved) else (COST / moved) ** 0.5 if moved > 0 else math.inf
        likely = scale * min(max(factor, 1 / LEAP), LEAP)
        scale = likely if low < likely < high else (low * high) ** 0.5
    raise NoEffect(
        "no change of these matrices moves predictions a little",
        why=f"A step of strength 1 is one that moves them by {COST:g} nats a token on texts to keep.",
        fix="Name other blocks, or another `site`.",
    )


def _predictions(lm: LM, rows: Sequence[list[int]], stride: int = 1) -> list[Tensor]:
    """Return the log-probabilities of next tokens at every `stride`th position of rows, (kept, vocabulary) float32 on the CPU."""
    predictions: dict[int, Tensor] = {}
    for group in bucketed([len(row) for row in rows], tokens_with_logits(int(lm.model.config.vocab_size))):
        logits = lm.forward(lm.batch([rows[i] for i in group])).logits
        for place, index in enumerate(group):
            predictions[index] = logits[place, : len(rows[index]) : stride].float().log_softmax(-1).cpu()
    return [predictions[i] for i in range(len(rows))]


def unkept(lm: LM, terms: Sequence[tuple[str, Delta]]) -> Patch:
    """Return changes as a patch that nobody keeps."""
    return Patch.make(lm, by_tensor(terms), method="natural_gradient", settings={})


def _deltas(steps: Sequence[Step], scale: float) -> list[tuple[str, Delta]]:
    """Return the change of each tensor at a multiple of the steps."""
    return [
        (weight.tensor, weight.place(LowRank((left * scale).float().contiguous(), right.float().contiguous())))
        for weight, left, right in steps
    ]
