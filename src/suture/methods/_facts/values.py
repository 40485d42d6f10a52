"""What a fact's value should be: a vector that, added at a token of the subject, makes the model say the target.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", eq. 4; Meng et al. 2023, "Mass-Editing Memory
in a Transformer", eq. 16.
    minimise over d:  mean_j -log P(o | x_j + p; h + d) + kl * KL(P(.|e) || P(.|e; h + d)) + decay * |d|^2 / |h|^2
    with |d| <= clamp * |h|                                d, h: (d_model,)
x_j are contexts, o is the target; e is what the model itself says of the subject, so that other things it knows of it stay.
h is the residual stream behind the block at that token in the bare prompt.
Differs from the papers: all facts at once, each with its own end and clamp; each step takes one context of each fact, first the
bare prompt and, whenever that one is done, the worst of all, until all are; the clamp is in units of the residual stream
(the MLP's own output may be small); the KL is taken over whole continuations, and from the base's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ...data.examples import Fact
from ...model.arch.anatomy import Site
from ...model.lm import LM, bucketed
from ...model.run.fact_rows import Row, encode, places
from ...model.run.generation import generate
from ...model.run.tracing import Edit
from ...text.spacing import apart
from .keyvalue import read, up_to
from .problem import Problem

ESSENCE_TOKENS = 8  # of a continuation of the subject
STEP_TOKENS = 4096  # of facts side by side; small enough that rows of like length are together
TURN = 2  # an essence is taken in each second step, at twice its weight
BETAS, TINY = (0.9, 0.999), 1e-8  # Adam's own defaults


@dataclass(frozen=True)
class ValueOptimization:
    """How values are looked for.

    Attributes:
        steps: most steps of Adam.
        rate: its rate, in units of the norm of h divided by the root of d_model.
        kl: weight of the KL on what the model says of the subject.
        decay: weight of the squared length.
        clamp: longest vector, in units of the norm of h.
        stop: loss per target token at which a fact is done, in its worst context.
        essence: continuations of the subject for the KL; 0 for none.
        token: of the subject, counted from its end; 0 for the tokens that say the target.
        settle: passes over all facts with all their changes in place (`_facts.settle`); 0 for none.
        hold: weight of what is to stay in these.
        insist: how often, at most, closed forms over several blocks are solved again with what is not said counting more.
        seed: of the continuations.
    """

    steps: int = 60
    rate: float = 0.5
    kl: float = 0.0625
    decay: float = 0.0
    clamp: float = 1.0
    stop: float = 0.05
    essence: int = 2
    token: int = -1
    settle: int = 0
    hold: float = 3.0
    insist: int = 0
    seed: int = 0


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


def values(
    lm: LM,
    facts: Sequence[Fact],
    site: Site,
    prefixes: Sequence[str],
    aim: ValueOptimization,
    *,
    beside: Sequence[Site] = (),
) -> Values:
    """Find the vectors to add at `site` ("mlp.out" or "residual" of a block) for all facts, many side by side.

    Blocks below the site's are run once; only those from it on are run and differentiated in each step. Other sites of the
    same block (`beside`) are given vectors of their own, found together with these and not returned.
    """
    rows = [place for fact in facts for place in places(lm, fact, prefixes, aim.token)]
    if aim.kl and aim.essence and aim.token:  # where a target is said, nothing is said of the subject alone
        rows = [told + essence for told, essence in zip(rows, essences(lm, facts, aim), strict=True)]
    return side_by_side(lm, rows, len(prefixes), site, aim, beside=beside)


def side_by_side(
    lm: LM, rows: list[list[Row]], prompts: int, site: Site, aim: ValueOptimization, *, beside: Sequence[Site] = ()
) -> Values:
    """Find vectors for rows that are there already.

    Args:
        lm: the model.
        rows: of each fact, all with what follows `Row.begin` to be said after what the vector is added to, at `Row.at`.
        prompts: how many of a fact's rows, its first ones, hold a target; the others are essences.
        site: where the vectors are added.
        aim: see `ValueOptimization`.
        beside: see `values`.
    """
    sizes = [len(own) * max(len(row.ids) - row.at for row in own) for own in rows]  # tokens of each fact
    parts = bucketed(sizes, STEP_TOKENS)
    found = [_optimised(lm, [rows[i] for i in part], prompts, [site, *beside], aim) for part in parts]
    back = torch.tensor([i for part in parts for i in part]).argsort()
    return Values(*(torch.cat([getattr(each, name) for each in found])[back] for name in ("added", "loss", "steps")))


def essences(lm: LM, facts: Sequence[Fact], aim: ValueOptimization) -> list[list[Row]]:
    """Return continuations of each subject that the model writes, but for those that name the old or the new object."""
    starts = [lm.encode(fact.subject) for fact in facts]
    texts = generate(lm, starts, max_new_tokens=ESSENCE_TOKENS, samples=aim.essence, seed=aim.seed)
    found = []
    for fact, own in zip(facts, texts, strict=True):
        told = [t.strip() for t in own if t.strip() and fact.target not in t and not (fact.was and fact.was in t)]
        told = [apart(fact.subject, text) + text for text in told]  # also before a mark, where the script has blanks
        found.append([encode(lm, fact.subject, fact.subject, text, token=aim.token or -1) for text in told])
    return found


def _optimised(lm: LM, rows: list[list[Row]], prompts: int, sites: Sequence[Site], aim: ValueOptimization) -> Values:
    count, behind = len(rows), Site(sites[0].layer, "residual")
    whole = Problem.of(lm, rows, prompts, behind.layer)
    norm = read(lm, [up_to(own[0]) for own in rows], [behind])[behind].norm(dim=1).to(lm.device).float()[:, None, None]
    added = torch.zeros(count, len(sites), lm.width, device=lm.device)
    first, second = torch.zeros_like(added), torch.zeros_like(added)
    taken = torch.zeros(count, dtype=torch.int64, device=lm.device)
    live = torch.ones(count, dtype=torch.bool, device=lm.device)
    asked = torch.zeros(count, dtype=torch.int64, device=lm.device)  # the context of each fact that the next step takes
    told = torch.bincount(whole.owner[whole.context < 0], minlength=count).clamp(min=1)
    worst = torch.full((count,), torch.inf, device=lm.device)
    for step in range(aim.steps):
        turn = -1 - step // TURN % told if step % TURN == 0 else torch.full_like(told, prompts)  # no row has it
        problem = whole.part(live[whole.owner] & _either(whole, asked, turn))
        current = added.clone().requires_grad_()
        with torch.enable_grad():
            losses = problem.losses(lm, behind.layer, _edits(problem, sites, current))
        known = _worst(problem, losses.detach(), count)[0]
        near = live & (known <= aim.stop)
        asked = _measured(lm, whole, sites, added, near, worst, asked, known)
        live = live & ~worst.le(aim.stop)
        if not bool(live.any()):
            break
        with torch.enable_grad():
            size = (current / norm).square().sum((1, 2))
            wanted = _means(problem, losses, count, problem.context >= 0)
            strayed = _means(problem, losses, count, problem.context < 0)
            total = (wanted + TURN * aim.kl * strayed + aim.decay * size)[live].sum()
        (gradient,) = torch.autograd.grad(total, current)
        first[live] = BETAS[0] * first[live] + (1 - BETAS[0]) * gradient[live]
        second[live] = BETAS[1] * second[live] + (1 - BETAS[1]) * gradient[live].square()
        mean = first[live] / (1 - BETAS[0] ** (step + 1))
        spread = (second[live] / (1 - BETAS[1] ** (step + 1))).sqrt() + TINY
        moved = added[live] - aim.rate * norm[live] / lm.width**0.5 * mean / spread
        longest = aim.clamp * norm[live]
        added[live] = moved * (longest / moved.norm(dim=2, keepdim=True).clamp(min=TINY)).clamp(max=1)
        taken[live] += 1
    _measured(lm, whole, sites, added, live, worst, asked)
    return Values(added[:, 0].double().cpu(), worst.double().cpu(), taken.cpu())


def _either(problem: Problem, asked: Tensor, told: Tensor) -> Tensor:
    """Return which rows are the context and the essence that each fact is to take: (rows,) of bool."""
    return (problem.context == asked[problem.owner]) | (problem.context == told[problem.owner])


def _edits(problem: Problem, sites: Sequence[Site], added: Tensor) -> dict[Site, Edit]:
    """Return what adds each fact's vectors, (facts, sites, d_model), at the first token of its rows."""

    def push(index: int, value: Tensor) -> Tensor:
        here, rest = value[:, :1], value[:, 1:]
        return torch.cat([here + added[problem.owner, index][:, None].to(value), rest], dim=1)

    return {site: partial(push, index) for index, site in enumerate(sites)}


@torch.no_grad()
def _measured(
    lm: LM,
    whole: Problem,
    sites: Sequence[Site],
    added: Tensor,
    facts: Tensor,
    worst: Tensor,
    asked: Tensor,
    known: Tensor | None = None,
) -> Tensor:
    """Measure some facts, (facts,) of bool, in all their contexts, and write their losses to `worst`.

    Where the losses in the contexts asked are `known`, (facts,), these are not measured again.

    Returns:
        (facts,) the context that each fact is to take next: of those measured the worst one, of the others the one asked.
    """
    if not bool(facts.any()):
        return asked
    rows = facts[whole.owner] & (whole.context >= 0)
    if known is not None:
        rows &= whole.context != asked[whole.owner]
    if not bool(rows.any()):  # one context was all
        worst[facts] = known[facts] if known is not None else 0.0
        return asked
    problem = whole.part(rows)
    losses, hardest = _worst(problem, problem.losses(lm, sites[0].layer, _edits(problem, sites, added)), len(worst))
    worst[facts] = (losses if known is None else losses.maximum(known))[facts]
    return torch.where(facts, hardest, asked)


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
