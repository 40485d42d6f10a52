"""Find the rows through which a direction moves the behaviour most for the damage it does to other text.

Ours; the first-order version of what Model Surgery hopes for when it chooses rows by their cosine. Adding alpha * w to
gate row i changes its pre-activation by alpha * (w . x_t) at every token t. With one backward pass over contrasts and one
over texts to keep, both consequences are known for every row of every block at once:

    gain_i   = sum_t (w . x_t) dS/dz_{t,i}                S = log P(wanted | start) - log P(unwanted | start)
    damage_i = sqrt( sum_t ((w . x_t) dL/dz_{t,i})^2 )    L = log-likelihood of the texts to keep
    score_i  = gain_i / (damage_i + damping)              w: (d_model,), z_t: (d_ff,), x_t: (d_model,)

Source of the damage term: the diagonal Fisher information, as in Kirkpatrick et al. 2017, "Overcoming catastrophic
forgetting in neural networks". Contrasts are made from the labelled texts: the first half of an unwanted text (or its
prompt) is continued by its own rest and by the rest of a wanted one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..data.examples import Behaviour, Texts
from ..model.arch.anatomy import Site, Weight
from ..model.lm import LM
from ..model.run.contrasts import contrasts
from ..registry import locator
from ._row_slopes import SignedText, contrasted, likelihood, row_slopes
from .probe import Probe
from .region import Region

DAMPING = 0.1  # of the mean damage; rows that touch nothing would otherwise score without bound


@locator
def effect_rows(
    lm: LM,
    probe: Probe,
    behaviour: Behaviour,
    *,
    keep: Texts | None = None,
    rows: float = 0.006,
    layers: list[int] | None = None,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    seed: int = 0,
) -> Region:
    """Choose rows by gain over damage.

    Args:
        lm: the model.
        probe: the direction(s) that would be added.
        behaviour: labelled texts, to make contrasts from.
        keep: texts whose likelihood must not suffer (the wanted texts if there are none).
        rows: how many: a count when 1 or more, else a share of all candidates.
        layers: only these blocks.
        away_from: which of the probe's directions is added.
        seed: of the pairing.
    """
    (scores,) = effect_scores(lm, [probe], behaviour, keep=keep, layers=layers, away_from=away_from, seed=seed)
    about = {"by": "effect", "probe": probe.name, "space": probe.space, "away_from": away_from}
    return Region.choose(scores, rows, about, largest=True)


def effect_scores(
    lm: LM,
    probes: Sequence[Probe],
    behaviour: Behaviour,
    *,
    keep: Texts | None = None,
    layers: list[int] | None = None,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    seed: int = 0,
) -> list[dict[Site, Tensor]]:
    """Return gain over damage of every row, (rows,) for each weight, by each probe; arguments as `effect_rows`.

    The passes are the dear part, and one does for all probes.
    """
    weights = lm.anatomy.weights(lm.anatomy.first, layers)
    directions = {w.site.layer: _side_by_side(lm, probes, w.site.layer, away_from) for w in weights}
    mine = behaviour if away_from == "unwanted" else behaviour.reversed()
    wanted, unwanted = contrasts(lm, mine, random.Random(seed))
    kept = likelihood(lm, keep or [e.text for e in mine.examples if not e.label])
    gain = _totals(lm, weights, directions, contrasted(wanted, unwanted))
    damage = _totals(lm, weights, directions, kept, squared=True)
    return [_over(gain, damage, index) for index in range(len(probes))]


def _side_by_side(lm: LM, probes: Sequence[Probe], layer: int, away_from: Literal["unwanted", "wanted"]) -> Tensor:
    """Return the directions of probes for a block, (d_model, probes)."""
    for probe in probes:
        probe.check(lm)
    return torch.stack([probe.direction(layer, away_from) for probe in probes], 1).to(lm.device).float()


def _over(gain: dict[Site, Tensor], damage: dict[Site, Tensor], index: int) -> dict[Site, Tensor]:
    """Return one probe's gain over its damage."""
    spread = {site: total[index].sqrt() for site, total in damage.items()}
    damping = DAMPING * torch.cat(list(spread.values())).mean()
    return {site: gain[site][index] / (spread[site] + damping) for site in gain}


def _totals(
    lm: LM,
    weights: Sequence[Weight],
    directions: dict[int, Tensor],
    texts: Sequence[SignedText],
    *,
    squared: bool = False,
) -> dict[Site, Tensor]:
    """Return for each weight, probe and row the sum over texts and tokens of (w . x) dS/dz, or of its square.

    Args:
        lm: the model.
        weights: whose rows.
        directions: w of each block, (d_model, probes).
        texts: what counts of each, and its sign.
        squared: sum the squares.

    Returns:
        (probes, d_ff) float64 for each weight.
    """
    probes = next(iter(directions.values())).shape[1]
    totals = {weight.site: torch.zeros(probes, weight.shape[0], dtype=torch.float64) for weight in weights}
    for inputs, slopes in row_slopes(lm, weights, texts):
        along = (inputs @ directions[slopes[0][0].site.layer]).T  # (probes, tokens)
        for weight, slope in slopes:
            total = along.square() @ slope.square() if squared else along @ slope
            totals[weight.site] += total.double().cpu()
    return totals
