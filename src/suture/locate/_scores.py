"""How safe a model is, as numbers that can be differentiated: log-odds of two answers, and the logit of a probe.

S_pair  = mean_t log P(wanted_t | prompt) - mean_t log P(unwanted_t | prompt)
S_probe = (w_wanted - w_unwanted) . h - b,   h: (d_model,) the state in which the answer is still open
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..data.examples import Labelled
from ..model.arch.anatomy import FINAL, Site
from ..model.lm import LM
from ..model.run.contrasts import Row
from ..model.run.pooling import StateLengths, averaging, spanned
from .probe import Probe

Scores = Callable[[int], Tensor]  # number of a batch -> the sum of its examples' scores, with a graph behind it


def pair_scores(
    lm: LM, wanted: Sequence[Row], unwanted: Sequence[Row], batch: int, *, paired: bool = False
) -> tuple[Scores, int]:
    """Return the log-odds of the wanted answers, and the number of batches.

    Args:
        lm: the model.
        wanted: answers, each with its request.
        unwanted: as many to the same requests.
        batch: answers in a batch; with `paired`, pairs.
        paired: keep both answers of a request in one batch, for sums that are not linear in the batches. Apart they need
            less memory, and less padding as refusals are short.
    """
    signed = [(row, 1.0) for row in wanted] + [(row, -1.0) for row in unwanted]
    if paired:
        signed = [entry for pair in zip(signed[: len(wanted)], signed[len(wanted) :], strict=True) for entry in pair]
        batch *= 2

    def score(number: int) -> Tensor:
        part = signed[number * batch : (number + 1) * batch]
        signs = torch.tensor([sign for _, sign in part], device=lm.device)
        return (mean_likelihood(lm, [row for row, _ in part]) * signs).sum()

    return score, -(-len(signed) // batch)


def mean_likelihood(lm: LM, rows: Sequence[Row]) -> Tensor:
    """Return the mean log-likelihood of each row's tokens from where its continuation begins: (rows,)."""
    batch = lm.batch([ids for ids, _ in rows])
    places = torch.arange(1, batch.ids.shape[1], device=lm.device)
    starts = torch.tensor([begin for _, begin in rows], device=lm.device)
    counted = batch.mask[:, 1:] * (places >= starts[:, None])
    logits = lm.forward(batch).logits[:, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")
    return -(loss * counted).sum(1) / counted.sum(1).clamp(min=1)


def probe_scores(lm: LM, probe: Probe, examples: Sequence[Labelled], batch: int) -> tuple[Scores, int]:
    """Return the logit of the wanted class where the answer to each example's request is still open, and the batches."""
    probe.check(lm)
    layer = probe.layers[probe.best]
    site = FINAL if probe.space == "final" else Site(layer, probe.space)
    direction = (probe.wanted - probe.unwanted)[probe.best].to(lm.device).float()
    rows, spans = spanned(lm, examples, "decision")
    usual = StateLengths.of(lm)

    def score(number: int) -> Tensor:
        part = slice(number * batch, (number + 1) * batch)
        inputs = lm.batch(rows[part])
        with usual.traced(lm, [site]) as (by_site, lengths):
            lm.forward(inputs, head=False)
        weights = averaging(inputs, spans[part], usual.sinks(lengths, inputs.mask))
        states = torch.einsum("bt,btd->bd", weights, by_site[site].float())
        return (states @ direction - probe.bias[probe.best].to(lm.device)).sum()

    return score, -(-len(rows) // batch)
