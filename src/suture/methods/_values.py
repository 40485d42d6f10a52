"""What a fact's value should be: a vector that, added at a token of the subject, makes the model say the target.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", eq. 4; Meng et al. 2023, "Mass-Editing Memory
in a Transformer", eq. 16.
    minimise over d:  mean_j -log P(o | x_j + p; h + d) + kl * KL(P(.|e) || P(.|e; h + d)) + decay * |d|^2 / |h|^2
    with |d| <= clamp * |h|                                d, h: (d_model,)
x_j are contexts, o is the target; e is what the model itself says of the subject, so that other things it knows of it stay.
h is the residual stream behind the block at that token in the bare prompt.
Differs from the papers: all facts at once, each with its own end and clamp; the clamp is in units of the residual stream
(the MLP's own output may be small); the KL is taken over whole continuations, and from the base's side.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import transformers
from torch import Tensor

from ..anatomy import Site
from ..examples import Fact
from ..fact_rows import Row, encode
from ..generation import generate
from ..lm import BATCH_TOKENS, LM
from ..tracing import resumed, trace
from ._keyvalue import read

ESSENCE_TOKENS = 8  # of a continuation of the subject
BETAS, TINY = (0.9, 0.999), 1e-8  # Adam's own defaults


@dataclass(frozen=True)
class Aim:
    """How values are looked for.

    Attributes:
        steps: most steps of Adam.
        rate: its rate, in units of the norm of h divided by the root of d_model.
        kl: weight of the KL on what the model says of the subject.
        decay: weight of the squared length.
        clamp: longest vector, in units of the norm of h.
        stop: loss per target token at which a fact is done, in its worst context.
        essence: continuations of the subject for the KL; 0 for none.
        token: of the subject, counted from its end.
        seed: of the continuations.
    """

    steps: int = 60
    rate: float = 0.5
    kl: float = 0.0625
    decay: float = 0.0
    clamp: float = 4.0
    stop: float = 0.01
    essence: int = 2
    token: int = -1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Values:
    """What was found.

    Attributes:
        added: (facts, d_model) float64, the vectors.
        loss: (facts,) loss per target token in the worst context, when last measured.
        steps: (facts,) steps taken.
    """

    added: Tensor
    loss: Tensor
    steps: Tensor


def values(
    lm: LM, facts: Sequence[Fact], site: Site, prefixes: Sequence[str], aim: Aim, *, beside: Sequence[Site] = ()
) -> Values:
    """Find the vectors to add at `site` ("mlp.out" or "residual" of a block) for all facts, many side by side.

    Blocks below the site's are run once; only those from it on are run and differentiated in each step. Other sites of the
    same block (`beside`) are given vectors of their own, found together with these and not returned.
    """
    rows = [_rows(lm, fact, prefixes, aim.token) for fact in facts]
    if aim.kl and aim.essence:
        rows = [told + essence for told, essence in zip(rows, _essences(lm, facts, aim), strict=True)]
    return side_by_side(lm, rows, len(prefixes), site, aim, beside=beside)


def side_by_side(
    lm: LM, rows: list[list[Row]], prompts: int, site: Site, aim: Aim, *, beside: Sequence[Site] = ()
) -> Values:
    """Find vectors for rows that are there already.

    Args:
        lm: the model.
        rows: of each fact, all with what follows `Row.begin` to be said after what the vector is added to, at `Row.at`.
        prompts: how many of a fact's rows, its first ones, hold a target; the others are essences.
        site: where the vectors are added.
        aim: see `Aim`.
        beside: see `values`.
    """
    parts: list[list[int]] = []
    for index, own in enumerate(rows):  # facts in their order, as many together as fit
        longest = max(len(row.ids) - row.at for i in [*(parts[-1] if parts else []), index] for row in rows[i])
        count = len(own) + sum(len(rows[i]) for i in (parts[-1] if parts else ()))
        if parts and longest * count <= BATCH_TOKENS:
            parts[-1].append(index)
        else:
            parts.append([index])
    found = [_optimised(lm, [rows[i] for i in part], prompts, [site, *beside], aim) for part in parts]
    return Values(*(torch.cat([getattr(each, name) for each in found]) for name in ("added", "loss", "steps")))


def _rows(lm: LM, fact: Fact, prefixes: Sequence[str], token: int) -> list[Row]:
    return [encode(lm, fact.prompt, fact.subject, fact.target, prefix, token) for prefix in prefixes]


def _essences(lm: LM, facts: Sequence[Fact], aim: Aim) -> list[list[Row]]:
    """Return continuations of each subject that the model writes, but for those that name the old or the new object."""
    starts = [lm.encode(fact.subject) for fact in facts]
    texts = generate(lm, starts, max_new_tokens=ESSENCE_TOKENS, samples=aim.essence, seed=aim.seed)
    found = []
    for fact, own in zip(facts, texts, strict=True):
        told = [t.strip() for t in own if t.strip() and fact.target not in t and not (fact.was and fact.was in t)]
        found.append([encode(lm, fact.subject, fact.subject, text, token=aim.token) for text in told])
    return found


@dataclass(frozen=True, eq=False)
class _Problem:
    """Some rows of some facts, from the edited token on; what stands before never changes and is cached.

    Attributes:
        ids: (rows, tokens) the edited token and all behind it, padded on the right.
        mask: (rows, before + tokens).
        cache: keys and values of the tokens before, (rows, heads, before, d_head) in each block.
        states: (rows, tokens, d_model) what the edited block reads.
        base: (rows, tokens - 1, vocabulary) log-probabilities of the unedited model.
        scored: (rows, tokens - 1) which predictions are counted.
        owner: (rows,) fact of each row.
        told: (rows,) whether a row is a prompt with its target; the others are essences.
    """

    ids: Tensor
    mask: Tensor
    cache: Any
    states: Tensor
    base: Tensor
    scored: Tensor
    owner: Tensor
    told: Tensor

    def part(self, facts: Tensor) -> _Problem:
        """Return the rows of some facts (sorted); the facts are numbered anew."""
        kept = torch.isin(self.owner, facts).nonzero()[:, 0]
        cache = _copied(self.cache)
        cache.batch_select_indices(kept)
        owner = torch.searchsorted(facts, self.owner[kept])
        chosen = (each[kept] for each in (self.ids, self.mask, self.states, self.base, self.scored, self.told))
        ids, mask, states, base, scored, told = chosen
        return _Problem(ids, mask, cache, states, base, scored, owner, told)


def _problem(lm: LM, rows: list[list[Row]], prompts: int, layer: int) -> _Problem:
    """Run the rows once, unedited: first what stands before the edited token, then the rest."""
    flat = [row for own in rows for row in own]
    before = lm.batch([row.ids[: row.at] for row in flat], side="left")
    rest = lm.batch([row.ids[row.at :] for row in flat])
    mask = torch.cat([before.mask, rest.mask], dim=1)
    with torch.no_grad():
        cache = transformers.DynamicCache(config=lm.model.config)
        if before.ids.shape[1]:
            lm.backbone(input_ids=before.ids, attention_mask=before.mask, position_ids=before.positions,
                        past_key_values=cache, use_cache=True)  # fmt: skip
        with trace(lm, [Site(layer, "residual.in")]) as seen:
            base = _continued(lm, rest.ids, mask, cache)
    begins = torch.tensor([row.begin - row.at for row in flat], device=lm.device)
    predicted = torch.arange(1, rest.ids.shape[1], device=lm.device)
    return _Problem(
        ids=rest.ids,
        mask=mask,
        cache=cache,
        states=seen[Site(layer, "residual.in")],
        base=base,
        scored=(predicted >= begins[:, None]) & rest.mask[:, 1:].bool(),
        owner=torch.tensor([index for index, own in enumerate(rows) for _ in own], device=lm.device),
        told=torch.tensor([index < prompts for own in rows for index in range(len(own))], device=lm.device),
    )


def _continued(lm: LM, ids: Tensor, mask: Tensor, cache: Any) -> Tensor:  # noqa: ANN401 - a transformers cache
    """Return the log-probabilities of each next token behind the cached ones: (rows, tokens - 1, vocabulary)."""
    places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    output = lm.model(
        input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=_copied(cache), use_cache=True
    )
    found: Tensor = output.logits[:, :-1].float().log_softmax(-1)
    return found


def _copied(cache: Any) -> Any:  # noqa: ANN401 - a transformers cache
    """Return a cache that may grow or shrink without changing this one; the tensors are shared, never written."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


def _optimised(lm: LM, rows: list[list[Row]], prompts: int, sites: Sequence[Site], aim: Aim) -> Values:
    count, behind = len(rows), Site(sites[0].layer, "residual")
    problem = _problem(lm, rows, prompts, behind.layer)
    norm = (
        read(lm, [own[0] for own in rows], [behind])[behind].norm(dim=1).to(lm.device).float()[:, None, None]
    )  # (facts, 1, 1)
    added = torch.zeros(count, len(sites), lm.width, device=lm.device)
    first, second = torch.zeros_like(added), torch.zeros_like(added)
    losses, taken = torch.full((count,), torch.inf, device=lm.device), torch.zeros(count, dtype=torch.int64)
    live = torch.arange(count, device=lm.device)
    for step in range(aim.steps + 1):  # the last pass only measures
        current = added[live].requires_grad_()
        told, strayed = _losses(lm, problem, sites, current)
        losses[live] = told.amax(-1).detach()
        wanted = losses[live] > aim.stop
        if step == aim.steps or not bool(wanted.any()):
            break
        size = (current / norm[live]).square().sum((1, 2))
        (gradient,) = torch.autograd.grad((told.mean(-1) + aim.kl * strayed + aim.decay * size).sum(), current)
        if not bool(wanted.all()):
            gradient, live = gradient[wanted], live[wanted]
            problem = problem.part(wanted.nonzero()[:, 0])
        first[live] = BETAS[0] * first[live] + (1 - BETAS[0]) * gradient
        second[live] = BETAS[1] * second[live] + (1 - BETAS[1]) * gradient.square()
        mean = first[live] / (1 - BETAS[0] ** (step + 1))
        spread = (second[live] / (1 - BETAS[1] ** (step + 1))).sqrt() + TINY
        moved = added[live] - aim.rate * norm[live] / lm.width**0.5 * mean / spread
        longest = aim.clamp * norm[live]
        added[live] = moved * (longest / moved.norm(dim=2, keepdim=True).clamp(min=TINY)).clamp(max=1)
        taken[live.cpu()] += 1
    return Values(added[:, 0].double().cpu(), losses.double().cpu(), taken)


def _losses(lm: LM, problem: _Problem, sites: Sequence[Site], added: Tensor) -> tuple[Tensor, Tensor]:
    """Return loss per target token (facts, contexts) and how far the subject's other continuations strayed (facts,)."""

    def push(index: int, value: Tensor) -> Tensor:
        here, rest = value[:, :1], value[:, 1:]
        return torch.cat([here + added[problem.owner, index][:, None].to(value), rest], dim=1)

    edits = {site: partial(push, index) for index, site in enumerate(sites)}
    with torch.enable_grad(), resumed(lm, sites[0].layer, problem.states), trace(lm, edit=edits):
        now = _continued(lm, problem.ids, problem.mask, problem.cache)
    counts = problem.scored.sum(1)
    likelihood = now.gather(-1, problem.ids[:, 1:, None])[..., 0]
    told = -((likelihood * problem.scored).sum(1) / counts)[problem.told].view(len(added), -1)
    strayed = torch.zeros(len(added), device=added.device)
    rest = ~problem.told
    if bool(rest.any()):
        base, owner = problem.base[rest], problem.owner[rest]
        each = ((base.exp() * (base - now[rest])).sum(-1) * problem.scored[rest]).sum(1) / counts[rest]
        share = torch.bincount(owner, minlength=len(added)).clamp(min=1)
        strayed = strayed.index_add(0, owner, each) / share
    return told, strayed
