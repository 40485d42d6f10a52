"""Train one block's down-projection toward refusals, held by harmless answers; and tell in which block that costs least.

    min_D  c * mean_t -log P(Y_safe,t | X, Y_safe,<t; W + D) + mean_t KL(P(. | x_t; W) || P(. | x_t; W + D))
Of blocks that were fitted one is chosen where all make the safe answers alike likely: D is taken times the s <= 1 at which these
are as likely as in the fit that made them least so, and the block counts whose KL on requests it was not trained on is smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ...data.examples import ResponsePair
from ...data.instances import SUFFIX
from ...errors import NoEffect
from ...model.lm import LM
from ...text.heard import tell
from .answers import Answers
from .changed import changed
from .harmless import Harmless
from .watch import Watch

# Of the authors' code for Llama 2 7B chat; for Mistral the rate is 1e-5.
REFERENCE: dict[str, Any] = {"steps": 10, "rate": 5e-4, "weight": 0.1, "stop": 1e-4}
UNLIKELY = 1.0  # weight of the guard "objective" against the edit loss
HALVINGS = 4  # by which the strength is found at which fits are alike: to 6 % of the whole
Guard = Literal["none", "stop", "objective"]


@dataclass(frozen=True)
class Plan:
    """How one request is edited.

    Attributes:
        weight: c.
        steps: of Adam.
        rate: of Adam, in units of the root mean square of the matrix's entries.
        stop: loss at which to end.
        limit: the most that an entry may move, in the same units.
        guard: against repetition.
        suffix: text added to every request.
        inside: hold harmless requests inside the attack, too.
        raw: the rate is taken as it is, and the last step whatever it did.
        constrained: let the gradient through the KL.
    """

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

    def as_published(self) -> Plan:
        """Return the plan with the constants of the authors' code."""
        return replace(self, **REFERENCE, limit=None, suffix=SUFFIX, raw=True, constrained=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What a patch keeps of it, where it can differ from what was given."""
        return {name: getattr(self, name) for name in (*REFERENCE, "limit", "suffix")}

    def asked(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return requests with the suffix, and their answers."""
        return [(f"{request} {self.suffix}" if self.suffix else request, answer) for request, answer in pairs]


@dataclass(frozen=True)
class Texts:
    """What is learned and what is held, read once for all blocks that are tried."""

    attacks: Answers
    benign: Answers
    base: Tensor
    apart: Answers
    apart_base: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LM, instances: Sequence[ResponsePair], kept: Harmless, plan: Plan) -> Texts:
        """Write and read them on the model as it is."""
        held = kept.of(lm, instances, inside=plan.inside)
        attacks = Answers.of(lm, plan.asked([(instance.prompt, instance.safe) for instance in instances]))
        benign, apart = (Answers.of(lm, plan.asked(pairs)) for pairs in (held, kept.choosing or held))
        return cls(attacks, benign, benign.likely(lm), apart, apart.likely(lm))


@dataclass(frozen=True, eq=False)
class Fit:
    """A block that was trained.

    Attributes:
        layer: of the block.
        columns: trained, None for all.
        change: (d_model, columns) or (experts, d_model, d_ff).
        trail: loss before each step.
    """

    layer: int
    columns: Tensor | None
    change: Tensor
    trail: list[float]

    @torch.no_grad()
    def of(self, lm: LM, what: Callable[[], Tensor], share: float = 1.0) -> float:
        """Return a figure of the model with a share of the change in effect."""
        with changed(lm, self.layer, share * self.change, self.columns):
            return float(what())


def best_fit(lm: LM, fits: Sequence[Fit], texts: Texts) -> tuple[Fit, list[dict[str, float]]]:
    """Return the fit that costs least where all teach alike, and the figures of each.

    Args:
        lm: the model.
        fits: blocks that were trained.
        texts: what they learned, and what was held.

    Returns:
        The fit, and by fit `learned` (nats a token of the safe answers, whole), `share` (at which it is compared) and `moved`
        (KL on harmless answers that it was not trained on).
    """

    def learned(fit: Fit, share: float = 1.0) -> float:
        return fit.of(lm, lambda: texts.attacks.loss(texts.attacks.likely(lm)), share)

    whole = [learned(fit) for fit in fits]
    least = max(whole)
    figures = []
    for fit, loss in zip(fits, whole, strict=True):
        share = 1.0 if loss == least else _share(lambda s, fit=fit: learned(fit, s), least)  # type: ignore[misc]
        moved = fit.of(lm, lambda: texts.apart.kl_to_base(texts.apart_base, texts.apart.likely(lm)), share)
        figures.append({"learned": round(loss, 4), "share": round(share, 4), "moved": round(moved, 6)})
    best = min(range(len(fits)), key=lambda i: figures[i]["moved"])
    return fits[best], figures


def _share(loss: Callable[[float], float], target: float) -> float:
    """Return the least share of a change, by halvings, at which a loss has fallen to a target."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if loss(middle) <= target else (middle, high)
    return high


def train_change(lm: LM, layer: int, columns: Tensor | None, texts: Texts, plan: Plan) -> Fit:
    """Train a change of one block's down-projection.

    Without a guard it is the step at which the whole loss was least, so that a training that swings does not end at random.

    Raises:
        NoEffect: when the guard lets no step stand.
    """
    matrices = [weight.matrix() for weight in lm.anatomy.weights("mlp.down", [layer])]
    unit = 1.0 if plan.raw else float(torch.stack([m.float().square().mean() for m in matrices]).mean().sqrt())
    outputs, inputs = matrices[0].shape
    experts = (len(matrices),) if len(matrices) > 1 else ()
    shape = (*experts, outputs, inputs if columns is None else len(columns))
    change = torch.zeros(*shape, device=lm.device, requires_grad=True)
    adam = torch.optim.Adam([change], lr=plan.rate * unit)
    watch = Watch(lm, [*texts.attacks.prompts, *texts.benign.prompts]) if plan.guard != "none" else None
    trail: list[float] = []
    good: Tensor | None = None  # the best change so far, or the latest whose answers do not repeat themselves
    tell("steps", 0, plan.steps)
    for number in range(plan.steps + 1):
        last = number == plan.steps
        if last and (plan.raw or watch is not None):
            break
        loss = _loss(lm, layer, columns, change, texts, plan, watch)
        if number and watch is None and not plan.raw and float(loss.detach()) <= min(trail[1:], default=float("inf")):
            good = change.detach().clone()
        if last:
            break
        tell("steps", number + 1, plan.steps)
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
    return Fit(layer, columns, change.detach() if good is None else good, trail)


def _loss(
    lm: LM, layer: int, columns: Tensor | None, change: Tensor, texts: Texts, plan: Plan, watch: Watch | None
) -> Tensor:
    """Return the objective, with its gradient."""
    with torch.set_grad_enabled(plan.constrained), changed(lm, layer, change, columns):
        kl = texts.benign.kl_to_base(texts.base, texts.benign.likely(lm))
    with torch.enable_grad(), changed(lm, layer, change, columns):
        loss = plan.weight * texts.attacks.loss(texts.attacks.likely(lm)) + kl
        if watch and plan.guard == "objective":
            loss = loss + plan.weight * UNLIKELY * watch.unlikelihood()
    return loss
