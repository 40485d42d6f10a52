"""What some weights read, and how a log-likelihood depends on what they put out, pass by pass.

    dS/dW = sum_t g_t x_t^T      x_t: (in,) what W reads at token t   g_t = dS/d(W x_t): (out,)
S is the sum over texts of sign * log P(tokens from `begin` on), so that g_t holds what the output at t does to all later ones.
Experts count: each reads the tokens that were sent to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..model.arch.anatomy import Weight
from ..model.lm import LM
from ..model.run.batches import bucketed, tokens_with_logits
from ..model.run.tracing import tap
from ..text.heard import tell

TOKENS = 1024  # of a batch, with padding


class SignedText(NamedTuple):
    """A text as ids, of which those from `begin` on count, with a sign: +1 adds their log-likelihood, -1 takes it away."""

    ids: list[int]
    begin: int
    sign: float


def row_slopes(
    lm: LM, weights: Sequence[Weight], texts: Sequence[SignedText]
) -> Iterator[tuple[Tensor, list[tuple[Weight, Tensor]]]]:
    """Yield what each matrix read in a pass, with the gradient at the outputs of each weight that it holds.

    Args:
        lm: the model.
        weights: whose rows.
        texts: read in batches of about one length.

    Yields:
        (tokens, in) float32, and by weight (tokens, out) float32.
    """
    most, done = tokens_with_logits(int(lm.model.config.vocab_size), TOKENS, copies=2), 0
    tell("texts with gradients", 0, len(texts))
    for group in bucketed([len(text.ids) for text in texts], most):
        chunk = [texts[i] for i in group]
        batch = lm.batch([text.ids for text in chunk])
        places = torch.arange(1, batch.ids.shape[1], device=lm.device)
        starts = torch.tensor([text.begin for text in chunk], device=lm.device)
        signs = torch.tensor([text.sign for text in chunk], device=lm.device)
        counted = batch.mask[:, 1:] * (places >= starts[:, None]) * signs[:, None]
        with torch.enable_grad(), tap(lm, weights) as products:
            logits = lm.forward(batch).logits[:, :-1].float()
            loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")
            gradients = torch.autograd.grad(-(loss * counted).sum(), [p.push for p in products])
        for product, gradient in zip(products, gradients, strict=True):
            slopes = [
                (weight, (gradient if weight.cut is None else gradient[..., list(weight.cut)]).flatten(0, -2).float())
                for weight in product.weights
            ]
            yield product.inputs.detach().float().flatten(0, -2), slopes
        done += len(chunk)
        tell("texts with gradients", done, len(texts))


def contrasted(wanted: Sequence[tuple[list[int], int]], unwanted: Sequence[tuple[list[int], int]]) -> list[SignedText]:
    """Return texts whose summed log-likelihood is that of the wanted continuations over the unwanted ones."""
    return [SignedText(ids, begin, sign) for rows, sign in ((wanted, 1.0), (unwanted, -1.0)) for ids, begin in rows]


def likelihood(lm: LM, texts: Sequence[str]) -> list[SignedText]:
    """Return whole texts, whose log-likelihood counts."""
    return [SignedText(lm.encode(text), 1, 1.0) for text in texts]
