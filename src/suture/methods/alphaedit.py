"""Write facts where the texts to keep have nothing: in the null space of their keys (AlphaEdit).

Source: Fang et al. 2025, "AlphaEdit: Null-Space Constrained Knowledge Editing for Language Models", eq. 12.
    W' = W + R K^T P (K K^T P + K_p K_p^T P + p I)^-1,   P = U U^T      W: (d_model, d_ff)   K: (d_ff, facts)
    = W + (U Y)^T,   (U^T (K K^T + K_p K_p^T) U + p I) Y = U^T K R^T      R: (d_model, facts)   U: (d_ff, r)
U are the eigenvectors of the smallest eigenvalues of C, K_p the keys of facts written before. The second line is the same
change from a symmetric positive definite system of size r. With a weight w, w U^T C U (w in units of d_ff keys, as MEMIT's)
joins p I: of the directions used, those that texts to keep use more are used less.
Differs from the authors' code: which eigenvalues are small is relative to the trace of C (their threshold, 0.02, is absolute
and depends on the scale of the activations), p to the mean squared length of a key; float64; no global state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from typing_extensions import Unpack

from .. import registry
from ..data.examples import Fact
from ..errors import NoEffect
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import Change, EditRequest, Spread, over_blocks, several_layers
from ._facts.keyvalue import keys_of, low_rank, read, up_to
from ._facts.paraphrases import paraphrases
from ._facts.settings import JointClosedForm
from ._facts.statistics import solve
from ._facts.swapped import swapped

SWAPS = 6  # prompts of other facts asked of each subject


@method
def alphaedit(
    lm: LM,
    facts: list[Fact],
    *,
    layers: list[int] | None = None,
    spread: Spread = "uniform",
    energy: float = 0.02,
    penalty: float = 1e-3,
    weight: float = 0.0,
    batch: int = 0,
    previous: list[Fact] | None = None,
    preserve_swapped: float = 0.0,
    model_paraphrases: int = 0,
    reword_weight: float = 1.0,
    reweight_rounds: int = 0,
    **shared: Unpack[JointClosedForm],
) -> Patch:
    """Make an AlphaEdit patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layers: the blocks to edit (early ones by default; measure).
        spread: "uniform" (MEMIT), "sqrt" (PMET), or "first_last".
        energy: share of the texts' keys, by squared length, that the directions used may hold together.
        penalty: p above, in units of the mean squared length of a key of the texts to keep.
        weight: w above: more keeps more and writes less; 0 as published.
        batch: write so many facts at a time, each batch on the model with those before it; 0 for all at once.
        previous: facts that the model was edited with before; their keys are left alone.
        preserve_swapped: how much the keys of prompts of other facts asked of each subject are left alone, against 1 of the keys
            of earlier facts; only with `token` 0. 0 as published.
        model_paraphrases: prompts in the model's own words that each fact is written in, too, where its `was` is given; 0 as
            published.
        reword_weight: how much these prompts count, against 1 of a fact's own.
        reweight_rounds: solve again, at most so often, with the weight of what is still not said doubled; 0 as published.
        shared: see `_facts.settings.JointClosedForm`.

    Raises:
        NoEffect: when no direction holds so little.
    """
    task = EditRequest.of(lm, facts, **shared)
    blocks = several_layers(lm, layers)
    moments = task.moments(blocks)
    bases = {layer: null_space(moment, energy) for layer, moment in moments.items()}  # U
    ridges = {layer: _ridge(moments[layer], basis, penalty, weight) for layer, basis in bases.items()}
    terms: dict[str, list[LowRank]] = {}
    earlier = list(previous or ())
    for part in _batches(task, batch):
        part = _in_other_words(replace(part, before=tuple(earlier)), model_paraphrases, reword_weight)
        with task.applied(terms):
            change = _change(bases, ridges, _keys_to_leave(part, blocks, preserve_swapped))
            changes = over_blocks(part, blocks, spread, change, reweight_rounds=reweight_rounds)
        for tensor, deltas in changes.items():
            terms.setdefault(tensor, []).extend(deltas)
        earlier += part.facts
    return task.patch("alphaedit", terms, registry.settings())


def _change(bases: dict[int, Tensor], ridges: dict[int, Tensor], earlier: dict[int, Tensor]) -> Change:
    """Return how one block is changed, by U, by what is added to the diagonal and by K_p of each block."""
    return lambda layer, keys, residuals: projected(
        bases[layer], keys.balanced, residuals, ridges[layer], earlier.get(layer)
    )


def _batches(task: EditRequest, size: int) -> Iterator[EditRequest]:
    """Yield the task in parts of so many facts; 0 for all at once."""
    size = size or len(task.facts)
    for begin in range(0, len(task.facts), size):
        yield replace(task, facts=task.facts[begin : begin + size])


def _in_other_words(task: EditRequest, count: int, weight: float) -> EditRequest:
    """Return a task that writes each fact in so many of the model's own words, too, each of a weight against 1."""
    if not count:
        return task
    pairs = zip(task.facts, paraphrases(task.lm, task.facts, task.aim.seed), strict=True)
    more = [replace(fact, prompt=prompt) for fact, prompts in pairs for prompt in prompts[:count]]
    importance = [1.0] * len(task.facts) + [weight] * len(more)
    return replace(task, facts=[*task.facts, *more], importance=importance)


def _keys_to_leave(task: EditRequest, layers: list[int], swapped_weight: float) -> dict[int, Tensor]:
    """Return K_p of each block, (keys, d_ff), in the model as it is now: of earlier facts, and of prompts made of these."""
    lm, parts = task.lm, dict[int, list[Tensor]]()
    sites = {layer: Site(layer, "mlp.key") for layer in layers}
    if task.before:
        for layer, block_keys in keys_of(lm, task.before, layers, task.prefixes, token=task.aim.token).items():
            parts.setdefault(layer, []).append(block_keys.balanced)
    if swapped_weight and not task.aim.token and (rows := swapped(lm, task.facts, SWAPS, task.aim.seed, task.before)):
        read_there = read(lm, [up_to(row) for row in rows], list(sites.values()))
        for layer, site in sites.items():
            parts.setdefault(layer, []).append(swapped_weight**0.5 * read_there[site])
    return {layer: torch.cat(pieces) for layer, pieces in parts.items()}


def _ridge(moment: Tensor, basis: Tensor, penalty: float, weight: float) -> Tensor:
    """Return the diagonal of p I + w U^T C U, (r,), which has nothing beside it: U are eigenvectors of C."""
    used = (basis * (moment @ basis)).sum(0)
    return penalty * moment.diagonal().sum() + weight * len(moment) * used


def null_space(moment: Tensor, energy: float) -> Tensor:
    """Return the eigenvectors of the smallest eigenvalues of a second moment, (d_ff, r), that hold a share of its trace.

    Raises:
        NoEffect: when there are none.
    """
    sizes, vectors = torch.linalg.eigh(moment)  # ascending
    small = sizes.clamp(min=0).cumsum(0) <= energy * sizes.sum()
    if not bool(small.any()):
        raise NoEffect(
            "the texts to keep use every direction",
            why=f"The smallest eigenvalue of their keys' second moment holds more than {energy:g} of its trace.",
            fix="Raise `energy`, or give fewer texts to keep.",
        )
    return vectors[:, small]


def projected(
    basis: Tensor, keys: Tensor, residuals: Tensor, ridge: Tensor | float, earlier: Tensor | None = None
) -> LowRank:
    """Return the change in the span of a basis that writes residuals at keys and leaves earlier keys alone.

    Args:
        basis: U, (d_ff, r), orthonormal.
        keys: (facts, d_ff).
        residuals: (facts, d_model).
        ridge: p above, one for all directions of the basis or (r,) for each.
        earlier: (facts before, d_ff) keys K_p.
    """
    inside = keys @ basis  # (facts, r)
    system = inside.T @ inside + (basis.new_zeros(basis.shape[1]) + ridge).diag()
    if earlier is not None:
        system = system + (earlier @ basis).T @ (earlier @ basis)
    return low_rank(residuals.T, (basis @ solve(system, inside.T)).T)
