"""What goes into some matrices, and how a loss depends on what comes out: both factors of every gradient.

    dL/dW = sum_t g_t h_t^T      h_t: (in,) what W reads at token t   g_t = dL/d(W h_t): (out,)
L is a sum over the tokens that are predicted, so that g_t holds what the output at t does to all later ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ...errors import UsageError
from ...model.arch.anatomy import Weight
from ...model.lm import LM, bucketed, halving
from ...model.run.tracing import tap
from .loop import TokenizedTarget, predicted

Slopes = tuple[Tensor, Tensor]  # h (tokens, in), g (tokens, out), float64 on the CPU
Loss = Callable[
    [Tensor, Tensor], Tensor
]  # log-probabilities (predictions, vocabulary), tokens (predictions,) -> a number


def slopes(
    lm: LM, weights: Sequence[Weight], rows: Sequence[TokenizedTarget], loss: Loss, *, every: bool
) -> Iterator[list[Slopes]]:
    """Yield inputs and output gradients of each weight, for a batch of lines after the other.

    Args:
        lm: the model, as it is now.
        weights: matrices through which every token goes.
        rows: lines, of which the tokens from `begin` on are predicted.
        loss: of the predictions.
        every: at every token, not only at those that predict one.
    """

    def run(part: Sequence[int]) -> list[Slopes]:
        batch, scored = predicted(lm, [rows[i] for i in part])
        at = batch.mask.bool() if every else scored.roll(-1, 1)  # the first token is never predicted
        with torch.enable_grad(), tap(lm, weights) as products:
            likely = lm.forward(batch).logits[:, :-1].float().log_softmax(-1)
            value = loss(likely[scored[:, 1:]], batch.ids[scored])
            gradients = torch.autograd.grad(value, [product.push for product in products])
        pairs = []
        for weight in weights:
            product, gradient = next(
                (product, gradient)
                for product, gradient in zip(products, gradients, strict=True)
                if any(weight is shared for shared in product.weights)
            )
            h, g = (side.detach().reshape(*at.shape, -1)[at].double().cpu() for side in (product.inputs, gradient))
            pairs.append((h, g if weight.cut is None else g[:, torch.tensor(weight.cut)]))
        return pairs

    for group in bucketed([len(line.ids) for line in rows]):
        yield from halving(group, run)


def whole_matrices(lm: LM, site: str, layers: Sequence[int]) -> list[Weight]:
    """Return the weights of a site that every token goes through.

    Raises:
        UsageError: when they are a mixture of experts, or not there.
    """
    weights = lm.anatomy.weights(site, layers)
    if any(weight.site.expert is not None for weight in weights):
        raise UsageError(
            f"{site} is a mixture of experts",
            why="Each of them sees only the tokens sent to it, not the whole of what it may disturb.",
            fix="Name another matrix with `site`, such as attn.o, or use finetune.",
        )
    return weights
