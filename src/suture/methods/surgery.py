"""Change a behaviour by adding its probe's direction to the gate rows that oppose it (Model Surgery).

Source: Wang et al. 2025, "Model Surgery: Modulating LLM's Behavior via Simple Parameter Editing", eq. 2-3, NAACL 2025.
    g_i' = g_i + alpha * w   for the K rows i with the smallest cos(g_i, w)      g_i, w: (d_model,)
A chosen neuron is silent when the unwanted behaviour is on (g_i . x < 0); the added w makes it fire on exactly the states
that align with w, and what it writes moves the output away.
Differs from the paper: the strength may be in units of the mean row norm (`unit="row"`; the raw one depends on how long
the probe was trained), and each block may have a probe of its own. `parity="paper"` is the paper's recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Literal

import torch

from .. import registry
from ..data.examples import Behaviour, Texts
from ..locate.effect_rows import effect_rows
from ..locate.probe import Parity, Probe, Space, fit_probe, random_probe, whitened_probe
from ..locate.probe_rows import PAPER_SHARE, WRITERS, probe_rows, vectors
from ..locate.region import Region
from ..model.lm import LM
from ..model.run.pooling import Pool
from ..numerics.linalg import mean_norm
from ..patch.delta import LowRank
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method

Away = Literal["unwanted", "wanted"]


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
        pool: the tokens of a text that are averaged; see `suture.model.run.features.extract`.
        rows: how many rows to edit: a count when 1 or more, else a share of all.
        strength: alpha, in units of `unit`.
        unit: "row": the mean norm of the matrix's rows; "raw": the probe as it came out, as in the paper.
        toward: "wanted" suppresses label 1; "unwanted" does the opposite with the opposite direction.
        select: rows by "cosine" as in the paper, or by "effect": gain over damage, with one backward pass.
        keep: texts to leave alone; the direction is turned so that it hardly reacts to them. With several behaviours the
            texts of the earlier ones are added.
        site: the matrix to edit (the first of the MLP by default).
        layers: only these blocks.
        control: a deliberate failure to compare with: a random direction, or random rows.
        parity: "paper": final state, raw unit, and the probe of the paper.
        probe: use this probe instead of fitting one (one behaviour only).
        region: use these rows instead of choosing them (one behaviour only).
        seed: of the probe's split and the controls.
    """
    settings = _settings(registry.settings(), probe, region)
    if parity == "paper":
        space, unit = "final", "raw"
    away: Away = "unwanted" if toward == "wanted" else "wanted"
    many = [behaviours] if isinstance(behaviours, Behaviour) else behaviours
    texts, terms = Texts(keep or ()), list[tuple[str, Delta]]()
    for behaviour in many:
        with Patch.make(lm, by_tensor(terms), method="surgery", settings={}).applied(lm) if terms else nullcontext():
            fitted = probe or fit_probe(lm, behaviour, space=space, layers=layers, pool=pool, parity=parity, seed=seed)
            fitted = random_probe(fitted, seed) if control == "random_probe" else fitted
            fitted = whitened_probe(lm, fitted, texts, behaviour, away_from=away) if texts else fitted
            options: dict[str, Any] = {"rows": rows, "layers": layers, "away_from": away, "seed": seed}
            chosen = region or _choose(lm, fitted, behaviour, texts, select, control, site, options)
            terms += _additions(lm, chosen, fitted, away, strength, unit)
        if texts:
            texts = Texts((*texts, *(e.text for e in behaviour.examples)))  # a later edit leaves this one alone
    examples = {"behaviours": [b.summary() for b in many], "keep": Texts(keep or ()).summary()}
    return Patch.make(lm, by_tensor(terms), method="surgery", settings=settings, examples=examples)


def _settings(settings: dict[str, Any], probe: Probe | None, region: Region | None) -> dict[str, Any]:
    """Return the settings that a patch keeps: what a given probe or region made idle would mislead."""
    if probe:
        settings = {k: v for k, v in settings.items() if k not in ("space", "pool", "parity")}
        settings["probe"] = {"name": probe.name, "space": probe.space}
    if region:
        settings = {k: v for k, v in settings.items() if k not in ("rows", "select", "site", "layers")}
        about = {k: v for k, v in region.about.items() if k not in ("histogram", "layers")}
        settings["region"] = {**about, "rows": region.count, "of": region.candidates}
    return settings


def _choose(
    lm: LM,
    probe: Probe,
    behaviour: Behaviour,
    keep: Texts,
    select: str,
    control: str,
    site: str | None,
    options: dict[str, Any],
) -> Region:
    """Return the rows to edit."""
    if select == "effect" and control != "random_rows":
        return effect_rows(lm, probe, behaviour, keep=keep, **options)
    return probe_rows(lm, probe, site=site, random=control == "random_rows", **options)


def _additions(
    lm: LM, region: Region, probe: Probe, away: Away, strength: float, unit: Literal["row", "raw"]
) -> Iterator[tuple[str, LowRank]]:
    """Yield the change of each tensor: the direction added to the chosen rows (columns of a writer)."""
    for place, numbers in region.rows.items():
        weight = lm.anatomy.weight(place)
        direction = strength * probe.direction(place.layer, away).double()  # (d_model,)
        if unit == "row":
            direction *= mean_norm(vectors(weight)) / mean_norm(probe.direction(place.layer, away)[None])
        ones, added = torch.ones(len(numbers), 1), direction.float()
        if weight.site.part in WRITERS:
            yield weight.tensor, weight.place(LowRank(added[:, None], ones.T.contiguous(), columns=numbers))
        else:
            yield weight.tensor, weight.place(LowRank(ones, added[None].contiguous(), rows=numbers))
