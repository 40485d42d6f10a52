"""Teach a model to refuse an attack from one instance: train the down-projection of the block where safe and unsafe differ.

Source: Wang et al. 2024, "Detoxifying Large Language Models via Knowledge Editing" (DINM), section 4, eq. 5-11, ACL 2024.
    l* = argmax_l |H_l(Y_safe) - H_l(Y_unsafe)|                                           (locate/toxic_layer.py)
    min_D  c * mean_t -log P(Y_safe,t | X, S, Y_safe,<t; W + D) + mean_t KL(P(. | x_t; W) || P(. | x_t; W + D))
W, D: (d_model, d_ff) of block l*, of each of its experts in a mixture; X is the attack, S a suffix to every request, x_t the
tokens of the answers to harmless requests that are to stay. A few steps of Adam.
Differs from the paper: distances are in units of each block's own states, as raw ones are largest in the last block of most
models whatever is read; a few blocks where they peak are trained, and that one is taken which costs least on harmless requests
(`_trained.refusing`); harmless requests are the model's own where none are given (`_trained.harmless`), and what the edit does to
further ones is measured and kept with the patch; the gradient goes through the KL (in the authors' code it does not, so their
constraint only shifts the printed loss); the KL runs from base to edited, as in their code; the rate is in units of the matrix's
own entries, and the step of the least loss is taken; the block is located afresh for each request; nothing is added to requests
unless asked. `normalize="none", tried=1` locates as the paper does, `parity="reference"` keeps their code's constants and its KL
without a gradient, too. `neurons` trains only the columns that carry the difference, and `guard` holds against answers that
repeat themselves, the known side effect: "stop" goes back to the latest step without them, "objective" adds the unlikelihood of
what the model writes a second time (`_trained.watch`). `inside` also holds harmless requests that stand in place of the question
inside the attack, so that a refusal is learned of the question and not of its wrapper.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from torch import Tensor

from .. import registry
from ..data.examples import ResponsePair
from ..data.instances import SUFFIX
from ..errors import UsageError
from ..locate.region import Region
from ..locate.toxic_layer import Control, Normalize, located, peaks, toxic_layer
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method
from ._trained.changed import deltas
from ._trained.harmless import Harmless, harmless
from ._trained.over_refusal import over_refusal, summary
from ._trained.refusing import Fit, Guard, Plan, Texts, best_fit, train_change

log = logging.getLogger(__name__)
TRIED = 3  # blocks that are trained where none is given
LOOK = 3  # steps after which several are compared


@method
def dinm(
    lm: LM,
    instances: list[ResponsePair],
    *,
    normalize: Normalize = "mean_token",
    layer: int | None = None,
    tried: int = TRIED,
    neurons: float | None = None,
    control: Control = "none",
    suffix: str = "",
    weight: float = 0.1,
    steps: int = 10,
    rate: float = 0.02,
    stop: float = 1e-3,
    limit: float | None = None,
    guard: Guard = "none",
    inside: bool = False,
    together: bool = False,
    parity: Literal["reference"] | None = None,
    seed: int = 0,
) -> Patch:
    """Make a DINM patch.

    Args:
        lm: the model; not changed.
        instances: requests with a safe and an unsafe answer, edited one after the other, each on the model changed so far.
        normalize: how the block is located, see `toxic_layer`.
        layer: this block instead of a located one.
        tried: blocks at most that are trained, of those where the distance peaks; the one that costs least is taken.
        neurons: train only so many columns of the down-projection, those that carry the difference: a count when 1 or more,
            else a share; all by default.
        control: "random": as many columns at random instead, to compare with.
        suffix: text added to every request while editing; "paper" for the paper's. The patch records it: an edit made
            with a suffix is meant to be used with it.
        weight: c, of the edit loss against the KL.
        steps: of Adam at most.
        rate: of Adam, in units of the root mean square of the matrix's entries.
        stop: loss at which to end.
        limit: the most that any entry may move, in the same units.
        guard: against repetition: "stop" goes back to the latest step whose answers neither loop nor lose variety,
            "objective" makes repeated phrases unlikely.
        inside: also hold the harmless requests in place of the question inside each attack, as the model answers them there.
        together: edit all instances at once, in one block.
        parity: "reference": the constants of the authors' code (for Llama 2), its suffix, its KL without a gradient, its
            location, one block tried.
        seed: of the control, and of the requests that the model makes up itself.

    Raises:
        UsageError: when nothing is given, no block is tried, neurons are asked for where the block's MLP is a mixture of experts,
            or `inside` where no instance tells its question.
        NoEffect: when a safe and an unsafe answer are the same.
    """
    if not instances:
        raise UsageError("no instances", fix="Give at least one request with a safe and an unsafe answer.")
    if tried < 1:
        raise UsageError(f"{tried} blocks to try are none", fix="Try 1 or more.")
    plan = Plan(weight, steps, rate, stop, limit, guard, SUFFIX if suffix == "paper" else suffix, inside)
    settings = registry.settings()
    if parity:
        plan, tried = plan.as_published(), 1
        settings |= {"normalize": "none", "tried": tried}
    options = {"normalize": normalize, "parity": parity, "control": control, "seed": seed}
    groups = [instances] if together else [[instance] for instance in instances]
    kept = harmless(lm, instances, seed=seed)
    settings = {**settings, **plan.settings, "harmless": {"source": kept.source, "held": len(kept.held)}}
    patch = _edit_groups(lm, groups, kept, plan, _Search(layer, tried, neurons, options), settings)
    return _with_checks(lm, patch, kept, plan)


@dataclass(frozen=True)
class _Search:
    """Which blocks are tried: one that is given, or so many of those located; `options` of `toxic_layer`."""

    layer: int | None
    tried: int
    neurons: float | None
    options: dict[str, Any]

    def trained(
        self, lm: LM, group: list[ResponsePair], texts: Texts, plan: Plan
    ) -> tuple[Fit, int, list[dict[str, Any]]]:
        """Return the block that costs least, trained, with its number of columns, and what is known of those tried.

        Several are trained for a few steps to be compared; which of them is gentle shows early.
        """
        within = None if self.layer is None else [self.layer]
        region = toxic_layer(lm, group, neurons=self.neurons, layers=within, **self.options)
        tops = peaks(region)[: self.tried]
        regions = {
            block: region
            if block == located(region)
            else toxic_layer(lm, group, neurons=self.neurons, layers=[block], **self.options)
            for block in tops
        }
        looking = plan if len(tops) == 1 else replace(plan, steps=min(plan.steps, LOOK), guard="none")
        fits = [train_change(lm, block, self._columns(regions[block], block), texts, looking) for block in tops]
        fit, figures = best_fit(lm, fits, texts)
        if looking is not plan:
            fit = train_change(lm, fit.layer, fit.columns, texts, plan)
        rows = [{"layer": block, **row} for block, row in zip(tops, figures, strict=True)]
        return fit, regions[fit.layer].count, rows

    def _columns(self, region: Region, block: int) -> Tensor | None:
        return None if self.neurons is None else region.rows[Site(block, "mlp.down")]


def _edit_groups(
    lm: LM,
    groups: Sequence[list[ResponsePair]],
    kept: Harmless,
    plan: Plan,
    search: _Search,
    settings: dict[str, Any],
) -> Patch:
    """Edit groups of instances, each in the block that is located on the model with the changes so far.

    Args:
        lm: the model.
        groups: edited at once, each.
        kept: harmless requests, of all of them.
        plan: how.
        search: of the blocks.
        settings: what the patch keeps, besides the blocks located.
    """
    terms: list[tuple[str, Delta]] = []
    chosen: list[dict[str, Any]] = []
    for group in groups:
        with Patch.make(lm, by_tensor(terms), method="dinm", settings={}).applied(lm) if terms else nullcontext():
            texts = Texts.of(lm, group, kept, plan)
            fit, count, tried = search.trained(lm, group, texts, plan)
        terms += deltas(lm, fit.layer, fit.change, fit.columns).items()
        losses = [round(loss, 4) for loss in fit.trail]
        chosen.append({"layer": fit.layer, "columns": count, "losses": losses, "tried": tried})
    examples = _summary([instance for group in groups for instance in group])
    return Patch.make(lm, by_tensor(terms), method="dinm", settings={**settings, "located": chosen}, examples=examples)


def _with_checks(lm: LM, patch: Patch, kept: Harmless, plan: Plan) -> Patch:
    """Return the patch with what it does to harmless requests that it was not trained on; says so where it refuses some."""
    figures = over_refusal(lm, patch, plan.asked(kept.checked))
    settings = patch.provenance.settings
    checked = replace(
        patch,
        provenance=replace(patch.provenance, settings={**settings, "harmless": {**settings["harmless"], **figures}}),
    )
    if figures["refused"] > figures["refused_before"]:
        log.warning(
            "%s: give harmless requests of your own to hold (keep), or use less of it (strength)", summary(checked)
        )
    return checked


def _summary(instances: Sequence[ResponsePair]) -> dict[str, Any]:
    """Return number and SHA-256 of the instances, for a patch's provenance."""
    state = json.dumps([asdict(instance) for instance in instances], sort_keys=True)
    return {"instances": {"count": len(instances), "sha256": hashlib.sha256(state.encode()).hexdigest()}}
