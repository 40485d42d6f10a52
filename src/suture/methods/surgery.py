"""Change a behaviour by adding its probe's direction to the gate rows that oppose it (Model Surgery).

Source: Wang et al. 2025, "Model Surgery: Modulating LLM's Behavior via Simple Parameter Editing", eq. 2-3, NAACL 2025.
    g_i' = g_i + alpha * w   for the K rows i with the smallest cos(g_i, w)      g_i, w: (d_model,)
A chosen neuron is silent when the unwanted behaviour is on (g_i . x < 0); the added w makes it fire on exactly the states
that align with w, and what it writes moves the output away.
Differs from the paper: the strength may be in units of the mean row norm (`unit="row"`; the raw one depends on how long
the probe was trained), and each block may have a probe of its own. `parity="paper"` is the paper's recipe.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Literal

import torch

from ..anatomy import Weight
from ..delta import Delta, LowRank
from ..examples import Behaviour, Texts
from ..features import Pool
from ..lm import LM
from ..locate.effect_rows import effect_rows
from ..locate.probe_rows import PAPER_SHARE, WRITERS, probe_rows, vectors
from ..patch import Patch
from ..probe import Parity, Probe, Space, fit_probe, quietened, random_probe
from ..region import Region
from ..registry import method


@method
def surgery(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    space: Space = "final",
    pool: Pool = "response",
    rows: float = PAPER_SHARE,
    strength: float = 1.0,
    unit: Literal["row", "raw"] = "row",
    toward: Literal["wanted", "unwanted"] = "wanted",
    select: Literal["cosine", "effect"] = "cosine",
    keep: Texts | None = None,
    site: str | None = None,
    layers: list[int] | None = None,
    control: Literal["none", "random_probe", "random_rows"] = "none",
    parity: Parity | None = None,
    probe: Probe | None = None,
    region: Region | None = None,
    seed: int = 0,
) -> Patch:
    """Make a Model Surgery patch.

    Args:
        lm: the model; not changed.
        behaviours: what to change; several are done one after the other, each probed on the model edited so far.
        space: where the probe reads: "final" is the paper's; "mlp.in" gives each block a probe of what its gate rows read.
        pool: the tokens of a text that are averaged; see `suture.features.extract`.
        rows: how many rows to edit: a count when 1 or more, else a share of all.
        strength: alpha, in units of `unit`.
        unit: "row": the mean norm of the matrix's rows; "raw": the probe as it came out, as in the paper.
        toward: "wanted" suppresses label 1; "unwanted" does the opposite with the opposite direction.
        select: rows by "cosine" as in the paper, or by "effect": gain over damage, with one backward pass.
        keep: texts to leave alone; the direction is turned so that it hardly reacts to them.
        site: the matrix to edit (the first of the MLP by default).
        layers: only these blocks.
        control: a deliberate failure to compare with: a random direction, or random rows.
        parity: "paper": final state, raw unit, and the probe of the paper.
        probe: use this probe instead of fitting one (one behaviour only).
        region: use these rows instead of choosing them (one behaviour only).
        seed: of the probe's split and the controls.
    """
    settings = {k: v for k, v in locals().items() if k not in ("lm", "behaviours", "probe", "region", "keep")}
    if parity == "paper":
        space, unit = "final", "raw"
    many = [behaviours] if isinstance(behaviours, Behaviour) else behaviours
    patch: Patch | None = None
    changes: dict[str, list[Delta]] = {}
    away: Literal["unwanted", "wanted"] = "unwanted" if toward == "wanted" else "wanted"
    for behaviour in many:
        with patch.applied(lm) if patch else nullcontext():
            fitted = probe or fit_probe(lm, behaviour, space=space, layers=layers, pool=pool, parity=parity, seed=seed)
            if control == "random_probe":
                fitted = random_probe(fitted, seed)
            if keep:
                fitted = quietened(lm, fitted, keep, behaviour, away_from=away)
            if region:
                chosen = region
            elif select == "effect" and control != "random_rows":
                chosen = effect_rows(
                    lm, fitted, behaviour, keep=keep, rows=rows, layers=layers, away_from=away, seed=seed
                )
            else:
                by_chance = control == "random_rows"
                chosen = probe_rows(
                    lm, fitted, site=site, rows=rows, layers=layers, away_from=away, random=by_chance, seed=seed
                )
            for place, numbers in chosen.rows.items():
                weight = lm.anatomy.weight(place)
                direction = fitted.direction(place.layer, away)
                if unit == "row":
                    direction = direction / direction.norm() * vectors(weight).float().norm(dim=1).mean().cpu()
                changes.setdefault(weight.tensor, []).append(_add(weight, numbers, strength * direction))
        examples = {"behaviours": [b.summary() for b in many], "keep": Texts(keep or ()).summary()}
        patch = Patch.make(lm, changes, method="surgery", settings=settings, examples=examples)
    assert patch is not None
    return patch


def _add(weight: Weight, numbers: torch.Tensor, direction: torch.Tensor) -> LowRank:
    """Return the change that adds `direction` (d_model,) to some rows of a weight (columns of a writer)."""
    ones = torch.ones(len(numbers), 1)
    if weight.site.part in WRITERS:
        return weight.place(LowRank(direction[:, None], ones.T.contiguous(), columns=numbers))
    return weight.place(LowRank(ones, direction[None].contiguous(), rows=numbers))
