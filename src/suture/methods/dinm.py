"""Teach a model to refuse an attack from one instance: train the down-projection of the block where safe and unsafe differ.

Source: Wang et al. 2024, "Detoxifying Large Language Models via Knowledge Editing" (DINM), section 4, eq. 5-11, ACL 2024.
    l* = argmax_l |H_l(Y_safe) - H_l(Y_unsafe)|                                           (locate/toxic_layer.py)
    min_D  c * mean_t -log P(Y_safe,t | X, S, Y_safe,<t; W + D) + mean_t KL(P(. | x_t; W) || P(. | x_t; W + D))
W, D: (d_model, d_ff) of block l*, of each of its experts in a mixture; X is the attack, S a suffix to every request, x_t the
tokens of the answers to harmless requests that are to stay. A few steps of Adam.
Differs from the paper: the gradient goes through the KL (in the authors' code it does not, so their constraint only shifts
the printed loss); the KL runs from base to edited, as in their code; the rate is in units of the matrix's own entries; the
block is located afresh for each request; nothing is added to requests unless asked. `parity="reference"` keeps their
code's constants and its KL without a gradient. `neurons` trains only the columns that carry the difference, and `guard`
holds against answers that repeat themselves, the known side effect: "stop" goes back to the latest step without them,
"objective" adds the unlikelihood of what the model writes a second time (`_trained.watch`). `inside` also holds harmless requests
that stand in place of the question inside the attack, so that a refusal is learned of the question and not of its wrapper.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from .. import registry
from ..data.examples import ResponsePair
from ..data.instances import SUFFIX
from ..errors import NoEffect, UsageError
from ..locate.toxic_layer import Control, Normalize, located, toxic_layer
from ..model.arch.anatomy import Site
from ..model.lm import LM, Batch
from ..numerics.divergence import kl_divergence
from ..patch.delta_kind import Delta, by_tensor
from ..patch.patch import Patch
from ..registry import method
from ..text.heard import tell
from ._trained.changed import changed, deltas
from ._trained.harmless import harmless
from ._trained.watch import Watch

# Of the authors' code for Llama 2 7B chat; for Mistral the rate is 1e-5.
REFERENCE: dict[str, Any] = {"steps": 10, "rate": 5e-4, "weight": 0.1, "stop": 1e-4}
UNLIKELY = 1.0  # weight of the guard "objective" against the edit loss
Guard = Literal["none", "stop", "objective"]


@method
def dinm(
    lm: LM,
    instances: list[ResponsePair],
    *,
    normalize: Normalize = "none",
    layer: int | None = None,
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
        layer: this block instead of the located one.
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
            location.
        seed: of the control; nothing else here is random.

    Raises:
        UsageError: when nothing is given, neurons are asked for where the block's MLP is a mixture of experts, or `inside`
            where no instance tells its question.
        NoEffect: when a safe and an unsafe answer are the same.
    """
    if not instances:
        raise UsageError("no instances", fix="Give at least one request with a safe and an unsafe answer.")
    plan = _Plan(weight, steps, rate, stop, limit, guard, SUFFIX if suffix == "paper" else suffix, inside)
    settings = registry.settings()
    if parity:
        plan, settings["normalize"] = plan.as_published(), "none"
    options = {"normalize": normalize, "neurons": neurons, "parity": parity, "control": control, "seed": seed,
               "layers": None if layer is None else [layer]}  # fmt: skip
    groups = [instances] if together else [[instance] for instance in instances]
    return _edit_groups(lm, groups, plan, options, {**settings, **plan.settings})


@dataclass(frozen=True)
class _Plan:
    """How one request is edited; `raw` takes the rate as it is, `constrained` lets the gradient through the KL."""

    weight: float
    steps: int
    rate: float
    stop: float
    limit: float | None
    guard: Guard
    suffix: str
    inside: bool = False
    raw: bool = False
    constrained: bool = True

    def as_published(self) -> _Plan:
        """Return the plan with the constants of the authors' code."""
        return replace(self, **REFERENCE, limit=None, suffix=SUFFIX, raw=True, constrained=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What a patch keeps of it, where it can differ from what was given."""
        return {name: getattr(self, name) for name in (*REFERENCE, "limit", "suffix")}


def _edit_groups(
    lm: LM, groups: Sequence[list[ResponsePair]], plan: _Plan, options: dict[str, Any], settings: dict[str, Any]
) -> Patch:
    """Edit groups of instances, each in the block that is located on the model with the changes so far.

    Args:
        lm: the model.
        groups: edited at once, each.
        plan: how.
        options: of `toxic_layer`.
        settings: what the patch keeps, besides the blocks located.
    """
    terms: list[tuple[str, Delta]] = []
    chosen: list[dict[str, Any]] = []
    for group in groups:
        with Patch.make(lm, by_tensor(terms), method="dinm", settings={}).applied(lm) if terms else nullcontext():
            region = toxic_layer(lm, group, **options)
            at = located(region)
            columns = None if options["neurons"] is None else region.rows[Site(at, "mlp.down")]
            change, trail = _train_change(lm, group, at, columns, plan)
        terms += deltas(lm, at, change, columns).items()
        chosen.append({"layer": at, "columns": region.count, "losses": [round(loss, 4) for loss in trail]})
    examples = _summary([instance for group in groups for instance in group])
    return Patch.make(lm, by_tensor(terms), method="dinm", settings={**settings, "located": chosen}, examples=examples)


@dataclass(frozen=True)
class _Answers:
    """Requests with answers as one padded batch; `scored` is 1 at the tokens of the answers: (rows, tokens)."""

    batch: Batch
    scored: Tensor
    prompts: list[list[int]]

    @classmethod
    def of(cls, lm: LM, pairs: Sequence[tuple[str, str]]) -> _Answers:
        coded = [lm.encode_chat(request, answer) for request, answer in pairs]
        batch = lm.batch([ids for ids, _ in coded])
        begins = torch.tensor([begin for _, begin in coded], device=lm.device)
        places = torch.arange(batch.ids.shape[1], device=lm.device)
        scored = (places >= begins[:, None]).float() * batch.mask
        return cls(batch, scored, [ids[:begin] for ids, begin in coded])

    def likely(self, lm: LM) -> Tensor:
        """Return log-probabilities of what follows each token: (rows, tokens - 1, vocabulary) float32."""
        return lm.forward(self.batch).logits[:, :-1].float().log_softmax(-1)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over rows of the mean over the tokens of their answers; each: (rows, tokens - 1)."""
        scored = self.scored[:, 1:]
        return ((values * scored).sum(1) / scored.sum(1)).mean()

    def loss(self, likely: Tensor) -> Tensor:
        return self.mean(-likely.gather(-1, self.batch.ids[:, 1:, None])[..., 0])

    def kl_to_base(self, base: Tensor, now: Tensor) -> Tensor:
        return self.mean(kl_divergence(base, now))


def _train_change(
    lm: LM, instances: Sequence[ResponsePair], layer: int, columns: Tensor | None, plan: _Plan
) -> tuple[Tensor, list[float]]:
    """Return the change of a down-projection, (d_model, columns) or (experts, d_model, d_ff), and the loss before each step."""
    matrices = [weight.matrix() for weight in lm.anatomy.weights("mlp.down", [layer])]
    unit = 1.0 if plan.raw else float(torch.stack([m.float().square().mean() for m in matrices]).mean().sqrt())
    outputs, inputs = matrices[0].shape
    shape = (outputs, inputs if columns is None else len(columns))
    experts = (len(matrices),) if len(matrices) > 1 else ()
    change = torch.zeros(*experts, *shape, device=lm.device, requires_grad=True)
    adam = torch.optim.Adam([change], lr=plan.rate * unit)
    attacks = _Answers.of(lm, [(_with(instance.prompt, plan.suffix), instance.safe) for instance in instances])
    pairs = harmless(lm, instances, plan.inside)
    benign = _Answers.of(lm, [(_with(prompt, plan.suffix), answer) for prompt, answer in pairs])
    with torch.no_grad():
        base = benign.likely(lm)
    watch = Watch(lm, [*attacks.prompts, *benign.prompts]) if plan.guard != "none" else None
    trail: list[float] = []
    good: Tensor | None = None  # the latest change whose answers do not repeat themselves
    for number in range(plan.steps):
        tell("steps", number + 1, plan.steps)
        with torch.enable_grad() if plan.constrained else torch.no_grad(), changed(lm, layer, change, columns):
            kl = benign.kl_to_base(base, benign.likely(lm))
        with torch.enable_grad(), changed(lm, layer, change, columns):
            loss = plan.weight * attacks.loss(attacks.likely(lm)) + kl
            if watch and plan.guard == "objective":
                loss = loss + plan.weight * UNLIKELY * watch.unlikelihood()
            trail.append(float(loss.detach()))
            if trail[-1] < plan.stop:
                break
            (change.grad,) = torch.autograd.grad(loss, change)
        adam.step()
        if plan.limit is not None:
            change.data.clamp_(-plan.limit * unit, plan.limit * unit)
        if watch and plan.guard == "stop":
            with changed(lm, layer, change.detach(), columns):
                good = good if watch.worse() else change.detach().clone()
    if watch and plan.guard == "stop" and good is None:
        raise NoEffect(
            "every step makes answers repeat themselves",
            why="The guard would keep the change before the first one, which is none.",
            fix='Take smaller steps (rate), or guard="objective".',
        )
    return change.detach() if good is None else good, trail


def _with(request: str, suffix: str) -> str:
    return f"{request} {suffix}" if suffix else request


def _summary(instances: Sequence[ResponsePair]) -> dict[str, Any]:
    """Return number and SHA-256 of the instances, for a patch's provenance."""
    state = json.dumps([asdict(instance) for instance in instances], sort_keys=True)
    return {"instances": {"count": len(instances), "sha256": hashlib.sha256(state.encode()).hexdigest()}}
