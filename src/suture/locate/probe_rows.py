"""Find the rows whose neurons stay silent when the unwanted behaviour is on: anti-aligned with its probe.

Source: Wang et al. 2025, "Model Surgery", section 3.2.
    s_{l,i} = cos(g_{l,i}, w),   g_{l,i}: row i of W_gate in block l, (d_model,),   w: probe direction, (d_model,)
The K smallest s are chosen over all blocks together, ties broken by block, then row.
Differs from the paper: K may be a share of the rows; each block may have its own probe; any matrix may be searched.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..model.arch.anatomy import Site, Weight
from ..model.lm import LM
from ..numerics.linalg import cosines
from ..registry import locator
from .probe import Probe
from .region import Region

PAPER_SHARE = 0.0465  # 16,384 of the 352,256 gate rows of a 7B Llama
WRITERS = frozenset(
    {"mlp.down", "shared.down", "attn.o"}
)  # their columns, not their rows, have the size of the residual stream


@locator
def probe_rows(
    lm: LM,
    probe: Probe,
    *,
    site: str | None = None,
    rows: float = PAPER_SHARE,
    layers: list[int] | None = None,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    random: bool = False,
    seed: int = 0,
) -> Region:
    """Choose rows by their cosine with a probe.

    Args:
        lm: the model.
        probe: the direction(s).
        site: which matrix ("mlp.gate"; by default the first matrix of the MLP).
        rows: how many: a count when 1 or more, else a share of all candidates.
        layers: only these blocks.
        away_from: which of the probe's directions the rows shall be anti-aligned with.
        random: choose any rows instead (a control); scores are still the cosines.
        seed: of the random choice.
    """
    scores = cosine_scores(lm, probe, site=site, layers=layers, away_from=away_from)
    about = {"by": "random" if random else "cosine", "probe": probe.name, "space": probe.space, "away_from": away_from}
    return Region.choose(scores, rows, about, chance=torch.Generator().manual_seed(seed) if random else None)


def cosine_scores(
    lm: LM,
    probe: Probe,
    *,
    site: str | None = None,
    layers: list[int] | None = None,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
) -> dict[Site, Tensor]:
    """Return the cosine of every row with the probe, (rows,) for each weight; arguments as `probe_rows`."""
    probe.check(lm)
    weights = lm.anatomy.weights(site or lm.anatomy.first, layers)
    if probe.space != "final":
        weights = [weight for weight in weights if weight.site.layer in probe.layers]
    return {w.site: cosines(vectors(w), probe.direction(w.site.layer, away_from)).cpu() for w in weights}


def vectors(weight: Weight) -> Tensor:
    """Return the vectors of size d_model of a weight, one a row: its rows, or the columns of a writer."""
    matrix = weight.matrix()
    return matrix.T if weight.site.part in WRITERS else matrix
