"""How often the neurons of a region fire, before and after an edit.

Source: Wang et al. 2025, "Model Surgery", figure 2.
    rate_i = mean over texts of the share of their tokens t on which z_{t,i} > 0,   z = W_gate x : (d_ff,)
z is the pre-activation: what the first matrix of the MLP (the gate, where there is one) hands to the nonlinearity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.examples import Behaviour, Labelled
from ..errors import UsageError
from ..model.arch.anatomy import Site
from ..model.lm import LM, bucketed, halving
from ..model.run.pooling import StateLengths, averaging, spanned
from ..patch.patch import Patch
from .region import Region

TEXTS = 100  # of each label, for `activity`
DIGITS = 4  # of a rate in a report


@dataclass(frozen=True)
class Activity:
    """How often each edited neuron fires: shares of tokens in wanted and unwanted texts, before and after."""

    wanted_before: Sequence[float]
    wanted_after: Sequence[float]
    unwanted_before: Sequence[float]
    unwanted_after: Sequence[float]


@torch.no_grad()
def firing_rates(lm: LM, region: Region, texts: Sequence[Labelled]) -> Tensor:
    """Return how often each chosen neuron fires: (chosen,) float32 shares, in the order of the region's sites and rows.

    Args:
        lm: the model, as it is now (patched or not).
        region: rows or columns of MLP matrices; each stands for the neuron of its number.
        texts: counted as probes read them: the answer of a chat, all tokens but start token and sinks of a plain text.

    Raises:
        UsageError: when a row is no neuron's (attention).
    """
    if not countable(region):
        raise UsageError(
            f"the rows of {', '.join({site.part for site in region.rows})} can not be counted",
            why="They are no neurons, or those of experts, which see only the tokens routed to them.",
            fix="Choose rows of a dense MLP's matrix.",
        )
    first = lm.anatomy.first
    gates = {site: Site(site.layer, first, site.expert) for site in region.rows}
    rows, spans = spanned(lm, texts, "response")
    usual = StateLengths.of(lm)
    total = torch.zeros(region.count, dtype=torch.float64)

    def run(part: Sequence[int]) -> Tensor:
        batch = lm.batch([rows[i] for i in part])
        with usual.traced(lm, list(dict.fromkeys(gates.values()))) as (states, lengths):
            lm.forward(batch, head=False)
        weights = averaging(batch, [spans[i] for i in part], usual.sinks(lengths, batch.mask))  # (batch, tokens)
        rates = []
        for site, numbers in region.rows.items():
            cut = lm.anatomy.weight(gates[site]).cut
            activations = states[gates[site]][..., numbers if cut is None else torch.tensor(cut)[numbers]]
            rates.append(torch.einsum("bt,btn->n", weights, (activations > 0).float()))
        return torch.cat(rates)

    for group in bucketed([len(row) for row in rows]):
        for part_rates in halving(group, run):
            total += part_rates.double().cpu()
    return (total / len(rows)).float()


def countable(region: Region) -> bool:
    """Return whether every chosen row is a neuron of a dense MLP."""
    return all(site.part.startswith("mlp.") and site.expert is None for site in region.rows)


def activity(lm: LM, patch: Patch, region: Region, behaviour: Behaviour) -> Activity:
    """Return the firing rates of a region on wanted and unwanted texts, before and with a patch.

    Args:
        lm: the base model.
        patch: the edit.
        region: the neurons.
        behaviour: the texts; at most TEXTS of each label are read.
    """
    texts = [[e for e in behaviour.examples if e.label == label][:TEXTS] for label in (0, 1)]

    def rates() -> list[list[float]]:
        return [[round(rate, DIGITS) for rate in firing_rates(lm, region, examples).tolist()] for examples in texts]

    before = rates()
    with patch.applied(lm):
        after = rates()
    return Activity(before[0], after[0], before[1], after[1])
