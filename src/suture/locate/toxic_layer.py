"""Find the block in which a safe and an unsafe answer differ most, and which neurons of its MLP carry the difference.

Source: Wang et al. 2024, "Detoxifying Large Language Models via Knowledge Editing" (DINM), section 4.1, eq. 5, ACL 2024.
    l* = argmax_l |H_l(Y_safe) - H_l(Y_unsafe)|      H_l: (tokens, d_model) states behind block l, the answers read alone
    s_j = |k_j(Y_safe) - k_j(Y_unsafe)| |W_j|        k_j: (tokens,) key of neuron j, W_j: (d_model,) its column in block l*
Differs from the paper: the distance is between the mean states of both answers and in units of the block's own states, as states
grow from block to block and the raw distance with them, so that the last block is the farthest whatever is read; neither padding
nor sinks (see `suture.model.run.pooling`) are compared; the last block is read before the final norm. `normalize="none"` is the
paper's distance, of answers cut to the same number of tokens.
`parity="reference"` is the authors' code: padding compared, too, at the positions that the model counts by itself
(`model(**inputs)`, no positions given), and the last block read behind the norm. s_j is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..data.examples import ResponsePair
from ..errors import NoEffect, UsageError
from ..model.arch.anatomy import FINAL, Site
from ..model.lm import LM
from ..model.run.pooling import StateLengths
from ..model.run.tracing import trace
from ..registry import locator
from .region import Region

Normalize = Literal["none", "by_rms", "mean_token"]
Side = Literal["right", "left"]
Control = Literal["none", "random"]


@locator
def toxic_layer(
    lm: LM,
    instances: list[ResponsePair],
    *,
    normalize: Normalize = "mean_token",
    neurons: float | None = None,
    layers: list[int] | None = None,
    parity: Literal["reference"] | None = None,
    side: Side = "right",
    control: Control = "none",
    seed: int = 0,
) -> Region:
    """Choose the down-projection of one block, in a mixture those of all its experts, or some of its columns.

    Args:
        lm: the model.
        instances: pairs of answers; the distances of several are averaged.
        normalize: "mean_token": between the means over all tokens, in units of the block's own states (the root mean square of
            their entries), so that the answers need no common length; "by_rms": token by token, in the same units; "none":
            token by token as it is, the paper's.
        neurons: how many columns: a count when 1 or more, else a share; all by default.
        layers: only these blocks.
        parity: "reference": as the authors' code measures, with padding; ignores `normalize`.
        side: on which the reference pads.
        control: "random": as many columns of the block at random, to compare with.
        seed: of the control.

    Raises:
        NoEffect: when safe and unsafe answers are the same, so that no block is better than another.
        UsageError: when there is no such block, or neurons are asked for where the block's MLP is a mixture of experts.
    """
    blocks = list(range(lm.anatomy.layers)) if layers is None else sorted(layers)
    lm.anatomy.check_blocks(blocks)
    per_pair = [
        _padded_distances(lm, pair, blocks, side) if parity else _distances(lm, pair, blocks, normalize)
        for pair in instances
    ]
    distances = torch.stack(per_pair).mean(0)  # (blocks,)
    if not float(distances.max()) > 0:
        raise NoEffect(
            "safe and unsafe answer do not differ in any block",
            why="Their tokens are the same"
            + ("." if normalize == "mean_token" else " as far as the shorter one goes."),
            fix='Give answers that differ, or normalize="mean_token" if one is the beginning of the other.',
        )
    layer = blocks[int(distances.argmax())]
    about = {
        "by": "reference" if parity else normalize, "layer": layer,
        "distances": {str(block): round(float(d), 6) for block, d in zip(blocks, distances, strict=True)},
    }  # fmt: skip
    scores = _scores(lm, instances, layer, neurons)
    count = sum(map(len, scores.values())) if neurons is None else neurons
    chance = torch.Generator().manual_seed(seed) if control == "random" else None
    return Region.choose(scores, count, about | {"control": control}, largest=True, chance=chance)


def peaks(region: Region) -> list[int]:
    """Return the blocks in which the distance is no smaller than in their neighbours, the farthest first."""
    blocks = {int(block): distance for block, distance in region.about["distances"].items()}
    numbers = sorted(blocks)
    tops = [
        block
        for index, block in enumerate(numbers)
        if blocks[block] >= max(blocks[near] for near in numbers[max(0, index - 1) : index + 2])
    ]
    return sorted(tops, key=lambda block: (block != located(region), -blocks[block], block))


def located(region: Region) -> int:
    """Return the block that a region of `toxic_layer` lies in."""
    return next(iter(region.rows)).layer


@torch.no_grad()
def _states(lm: LM, pair: ResponsePair, sites: Sequence[Site]) -> list[tuple[Tensor, Tensor]]:
    """Return for each site the states of both answers, (tokens, d) float64 each, padding, start token and sinks left out.

    A place at which either has a sink is left out of both, so that tokens are compared with those at the same place; where the
    answers share no other place, sinks are compared.
    """
    rows = [lm.encode(pair.safe), lm.encode(pair.unsafe)]
    batch, usual = lm.batch(rows), StateLengths.of(lm)
    with usual.traced(lm, sites, lambda site, states, length: states.double().cpu()) as (by_site, lengths):
        lm.forward(batch, head=False)
    places = ~usual.sinks(lengths, batch.mask).any(0).cpu()
    if all(row[:1] == [lm.tokenizer.bos_token_id] for row in rows):
        places[0] = False  # its norm would drown the rest
    shared = min(map(len, rows))
    places[:shared] |= not bool(places[:shared].any())
    return [
        (by_site[s][0, : len(rows[0])][places[: len(rows[0])]], by_site[s][1, : len(rows[1])][places[: len(rows[1])]])
        for s in sites
    ]


def _distances(lm: LM, pair: ResponsePair, blocks: Sequence[int], normalize: Normalize) -> Tensor:
    """Return the distance of both answers behind each block: (blocks,) float64."""
    distances = []
    for safe, unsafe in _states(lm, pair, [Site(block, "residual") for block in blocks]):
        if normalize == "mean_token":
            far = (safe.mean(0) - unsafe.mean(0)).norm()
        else:
            far = _difference(safe, unsafe).norm()
        size = 1.0 if normalize == "none" else float(torch.cat([safe, unsafe]).square().mean().sqrt())
        distances.append(far / (size or 1.0))
    return torch.stack(distances)


@torch.no_grad()
def _padded_distances(lm: LM, pair: ResponsePair, blocks: Sequence[int], side: Side) -> Tensor:
    """Return the distance of the whole padded batch behind each block, the last one behind the final norm."""
    last = lm.anatomy.layers - 1
    sites = [FINAL if block == last else Site(block, "residual") for block in blocks]
    with trace(lm, sites, keep=lambda states: (states[0].double() - states[1].double()).norm().cpu()) as norms:
        batch = lm.batch([lm.encode(pair.safe), lm.encode(pair.unsafe)], side=side)
        # not `lm.forward`: it gives positions in which all pads stand at one, and pads are compared here
        lm.backbone(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
    return torch.stack([norms[site] for site in sites])


def _scores(lm: LM, instances: Sequence[ResponsePair], layer: int, neurons: float | None) -> dict[Site, Tensor]:
    """Return a score for each column of the block's down-projection, or of those of all its experts."""
    experts = [weight for weight in lm.anatomy.weights("mlp.down", [layer]) if weight.site.expert is not None]
    if not experts:
        return {Site(layer, "mlp.down"): torch.stack([_neurons(lm, pair, layer) for pair in instances]).mean(0)}
    if neurons is not None:
        raise UsageError(
            f"the neurons of block {layer} can not be compared",
            why="Its MLP is a mixture of experts, and the answers' tokens are read by different ones.",
            fix="Take whole blocks (no `neurons`), or search dense blocks only (`layers`).",
        )
    return {weight.site: weight.matrix().double().norm(dim=0).cpu() for weight in experts}


def _neurons(lm: LM, pair: ResponsePair, layer: int) -> Tensor:
    """Return how much each neuron's output differs between the answers: (d_ff,) float64."""
    weight = lm.anatomy.weight(Site(layer, "mlp.down"))
    ((safe, unsafe),) = _states(lm, pair, [Site(layer, "mlp.key")])
    return _difference(safe, unsafe).norm(dim=0) * weight.matrix().double().cpu().norm(dim=0)


def _difference(safe: Tensor, unsafe: Tensor) -> Tensor:
    """Return the difference token by token, as far as both go: (tokens, d)."""
    common = min(len(safe), len(unsafe))
    return safe[:common] - unsafe[:common]
