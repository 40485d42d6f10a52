"""The search for the values of some facts side by side, see `_facts.values` for what is minimised.

Each step takes one context of each fact, first the bare prompt. A fact whose loss there is small enough is measured in all of
them; then it is done, or goes on with the worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ...model.arch.anatomy import Site
from ...model.lm import LM
from ...model.run.fact_rows import Row
from ...model.run.tracing import Edit
from ...text.heard import tell
from .keyvalue import read, up_to
from .problem import Problem
from .settings import ValueOptimization

TURN = 2  # an essence is taken in each second step, at twice its weight
BETAS, TINY = (0.9, 0.999), 1e-8  # Adam's own defaults


@dataclass(frozen=True, eq=False)
class Values:
    """What was found.

    Attributes:
        added: (places, d_model) float64, the vectors; one place for each fact but with `token` 0.
        loss: (places,) loss per target token in the worst context, when last measured.
        steps: (places,) steps taken.
    """

    added: Tensor
    loss: Tensor
    steps: Tensor


def optimised(lm: LM, rows: list[list[Row]], prompts: int, sites: Sequence[Site], aim: ValueOptimization) -> Values:
    """Return vectors for rows that fit into one step; see `values.side_by_side`, which has the same arguments."""
    search = _Search.of(lm, rows, prompts, sites, aim)
    tell("steps", 0, aim.steps)
    for number in range(aim.steps):
        problem = search.rows_of_step(number)
        added = search.added.clone().requires_grad_()
        with torch.enable_grad():
            losses = search.losses(problem, added)
        search.measure_near(problem, losses.detach())
        if not bool(search.live.any()):
            break
        with torch.enable_grad():
            total = search.objective(problem, losses, added)
        (gradient,) = torch.autograd.grad(total, added)
        search.step(gradient)
        tell("steps", number + 1, aim.steps)
    search.measure(search.live)
    return Values(search.added[:, 0].double().cpu(), search.worst.double().cpu(), search.adam.steps.cpu())


@dataclass(eq=False)
class _Search:
    """Where the search stands.

    Attributes:
        lm: the model.
        whole: all rows of all facts.
        sites: where vectors are added.
        aim: how they are looked for.
        norm: (facts, 1, 1) of the residual stream.
        added: (facts, sites, d_model) the vectors so far.
        adam: what moves them.
        live: (facts,) of bool, which facts are not done.
        context: (facts,) the context that the next step takes.
        worst: (facts,) loss in the worst context, when last measured.
    """

    lm: LM
    whole: Problem
    sites: Sequence[Site]
    aim: ValueOptimization
    norm: Tensor
    added: Tensor
    adam: _MaskedAdam
    live: Tensor
    context: Tensor
    worst: Tensor

    @classmethod
    def of(cls, lm: LM, rows: list[list[Row]], prompts: int, sites: Sequence[Site], aim: ValueOptimization) -> _Search:
        """Begin with vectors of nothing."""
        count, behind = len(rows), Site(sites[0].layer, "residual")
        whole = Problem.of(lm, rows, prompts, behind.layer)
        norm = read(lm, [up_to(fact_rows[0]) for fact_rows in rows], [behind])[behind].norm(dim=1)
        added = torch.zeros(count, len(sites), lm.width, device=lm.device)
        return cls(
            lm, whole, sites, aim, norm.to(lm.device).float()[:, None, None], added, _MaskedAdam.like(added),
            live=torch.ones(count, dtype=torch.bool, device=lm.device),
            context=torch.zeros(count, dtype=torch.int64, device=lm.device),
            worst=torch.full((count,), torch.inf, device=lm.device),
        )  # fmt: skip

    def rows_of_step(self, number: int) -> Problem:
        """Return one context of each live fact, in each `TURN`-th step with one of its essences, which take turns."""
        whole, chosen = self.whole, self.whole.context == self.context[self.whole.owner]
        if number % TURN == 0:
            essences = torch.bincount(whole.owner[whole.context < 0], minlength=len(self.live)).clamp(min=1)
            chosen |= whole.context == (-1 - number // TURN % essences)[whole.owner]
        return whole.part(self.live[whole.owner] & chosen)

    def losses(self, problem: Problem, added: Tensor) -> Tensor:
        """Return the loss of each row with vectors added at the first token of its rows."""

        def push(index: int, value: Tensor) -> Tensor:
            here, rest = value[:, :1], value[:, 1:]
            return torch.cat([here + added[problem.owner, index][:, None].to(value), rest], dim=1)

        edits: dict[Site, Edit] = {site: partial(push, index) for index, site in enumerate(self.sites)}
        return problem.losses(self.lm, self.sites[0].layer, edits)

    def objective(self, problem: Problem, losses: Tensor, added: Tensor) -> Tensor:
        """Return what is minimised, summed over live facts."""
        size = (added / self.norm).square().sum((1, 2))
        target_nll = _means(problem, losses, len(added), problem.context >= 0)
        kl_to_base = _means(problem, losses, len(added), problem.context < 0)
        return (target_nll + TURN * self.aim.kl * kl_to_base + self.aim.decay * size)[self.live].sum()

    def step(self, gradient: Tensor) -> None:
        """Move the vectors of live facts, and shorten those that have become too long."""
        live = self.live
        rate = self.aim.rate * self.norm[live] / self.lm.width**0.5
        moved = self.adam.moved(self.added, gradient, live, rate)
        longest = self.aim.clamp * self.norm[live]
        self.added[live] = moved * (longest / moved.norm(dim=2, keepdim=True).clamp(min=TINY)).clamp(max=1)

    def measure_near(self, problem: Problem, losses: Tensor) -> None:
        """Measure facts whose loss in their own context is small enough in all contexts; those that are good there are done."""
        own_losses = _worst(problem, losses, len(self.live))[0]
        self.measure(self.live & (own_losses <= self.aim.stop), own_losses)
        self.live = self.live & ~self.worst.le(self.aim.stop)

    @torch.no_grad()
    def measure(self, facts: Tensor, own_losses: Tensor | None = None) -> None:
        """Measure some facts, (facts,) of bool, in all their contexts; each goes on with its worst one.

        Where the losses in their own contexts are given (`own_losses`, (facts,)), these are not measured again.
        """
        whole = self.whole
        rows = facts[whole.owner] & (whole.context >= 0)
        if own_losses is not None:
            rows &= whole.context != self.context[whole.owner]
        if not bool(rows.any()):  # no fact, or one context was all
            self.worst[facts] = own_losses[facts] if own_losses is not None else 0.0
            return
        problem = whole.part(rows)
        losses, hardest = _worst(problem, self.losses(problem, self.added), len(facts))
        self.worst[facts] = (losses if own_losses is None else losses.maximum(own_losses))[facts]
        self.context = torch.where(facts, hardest, self.context)


@dataclass(frozen=True, eq=False)
class _MaskedAdam:
    """Adam of which some rows take a step and the others stand still, once and for all.

    Attributes:
        first: mean of the gradients.
        second: mean of their squares.
        steps: (rows,) taken.
    """

    first: Tensor
    second: Tensor
    steps: Tensor

    @classmethod
    def like(cls, values: Tensor) -> _MaskedAdam:
        """Begin with no step taken."""
        steps = torch.zeros(len(values), dtype=torch.int64, device=values.device)
        return cls(torch.zeros_like(values), torch.zeros_like(values), steps)

    def moved(self, values: Tensor, gradient: Tensor, rows: Tensor, rate: Tensor) -> Tensor:
        """Return the rows chosen, (values,) of bool, after a step; all of them have taken the same number of steps."""
        self.first[rows] = BETAS[0] * self.first[rows] + (1 - BETAS[0]) * gradient[rows]
        self.second[rows] = BETAS[1] * self.second[rows] + (1 - BETAS[1]) * gradient[rows].square()
        self.steps[rows] += 1
        count = int(self.steps.max())
        mean = self.first[rows] / (1 - BETAS[0] ** count)
        spread = (self.second[rows] / (1 - BETAS[1] ** count)).sqrt() + TINY
        return values[rows] - rate * mean / spread


def _worst(problem: Problem, losses: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the greatest loss among each fact's prompts and which context has it: (rows,) -> (facts,), (facts,); else 0."""
    prompts = problem.context >= 0
    owner, context, loss = problem.owner[prompts], problem.context[prompts], losses[prompts]
    most = losses.new_zeros(count).scatter_reduce(0, owner, loss, "amax")
    where = context * (loss >= most[owner])
    return most, context.new_zeros(count).scatter_reduce(0, owner, where, "amax")


def _means(problem: Problem, losses: Tensor, count: int, chosen: Tensor) -> Tensor:
    """Return the mean of the chosen rows of each fact: (rows,), (rows,) of bool -> (facts,); 0 where there are none."""
    owner = problem.owner[chosen]
    share = torch.bincount(owner, minlength=count).clamp(min=1)
    return losses.new_zeros(count).index_add(0, owner, losses[chosen]) / share
