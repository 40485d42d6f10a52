"""Find the single weights that safety depends on most: what a small change of each would do to how safe the model is.

Source: Qi et al. 2026, "Towards Identification and Intervention of Safety-Critical Parameters in Large Language Models",
Findings of ACL, expected safety impact (ESI).
    ESI(w) = | sigma(W) * dS/dw |        W: (out, in) the matrix w is in, sigma its standard deviation, S how safe the model is
S is the log-odds of a wanted answer against an unwanted one ("pairs"), the logit of a probe ("probe"), or the logit of "safe"
of a judge model that reads what the model writes ("judge", as published). One pass over the examples adds up dS/dw in float32;
the largest scores are then found exactly without a second copy of them.
Differs from the paper: sigma is that of a projection and of an expert, however the checkpoint fuses them; `gather="mean_abs"`
averages |dS/dw| over examples, so that examples of opposite signs do not cancel. Routers, norms, biases and embeddings
are not eligible; the head is, when asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..data.examples import Behaviour
from ..errors import UsageError
from ..model.arch.anatomy import Weight
from ..model.lm import LM
from ..model.run.contrasts import contrasts
from ..numerics.topk import Chunks, largest
from ..registry import locator
from ..text.phase import Progress
from ._gradients import Sums, summed
from ._judge_scores import judge_scores
from ._scores import Scores, pair_scores, probe_scores
from .mask import Mask
from .probe import Probe, fit_probe

NOT_ELIGIBLE = ("router",)  # parts of a layout that are no weights of the computation itself
SHARE = 0.01  # of all parameters of the model, as published
CHUNK = 1 << 18  # scores looked at at a time: 1 MB, and a few times that in the histograms
Score = Literal["pairs", "probe", "judge"]


@locator
def safety_impact(
    lm: LM,
    behaviour: Behaviour,
    *,
    score: Score = "pairs",
    share: float = SHARE,
    gather: Literal["sum", "mean_abs"] = "sum",
    examples: int = 128,
    batch: int = 8,
    head: bool = False,
    layers: list[int] | None = None,
    probe: Probe | None = None,
    judge: str | None = None,
    control: Literal["none", "random", "magnitude", "bottom"] = "none",
    seed: int = 0,
    progress: Progress | None = None,
) -> Mask:
    """Choose single weights by their impact on safety.

    Args:
        lm: the model.
        behaviour: labelled texts, 1 for unsafe; best with the requests they answer.
        score: what tells how safe the model is.
        share: how many weights to choose, as a share of all parameters of the model.
        gather: "sum" the gradients over examples, then take the absolute value, as published; or "mean_abs".
        examples: unsafe examples used at most.
        batch: answers in one pass ("mean_abs" takes a pair, the judge one).
        head: let weights of the head be chosen, too, as the published code does.
        layers: only these blocks.
        probe: for "probe"; one is fitted without it.
        judge: for "judge": a model that says "safe", a folder or a Hub name.
        control: choose as many at random, or those of largest magnitude, or those of least impact, to compare with.
        seed: of the pairing, the noise of the judge's score, and the control.
        progress: called with ("batches", batches read, of).

    Raises:
        UsageError: when that many can not be chosen, or the judge is missing.
    """
    weights = eligible(lm, head=head, layers=layers)
    absolute = gather == "mean_abs"
    if control in ("random", "magnitude"):
        sums: Sums = {}
    else:
        scores, count = _scores(lm, behaviour, score, probe, judge, examples, batch, seed, absolute)
        sums = summed(weights, scores, count, absolute=absolute, progress=progress)
    about = {"by": "impact" if control == "none" else control, "score": score, "gather": gather, "base": lm.name,
             "examples": behaviour.summary(), "used": examples, "seed": seed}  # fmt: skip
    values = _chunks(weights, sums, control, seed)
    return _choose(lm, weights, values, share, about)


def eligible(lm: LM, *, head: bool = False, layers: Sequence[int] | None = None) -> list[Weight]:
    """Return the weights whose entries may be chosen: every matrix of every block but routers, and the head if asked for."""
    parts = [part for part in lm.anatomy.parts if part not in NOT_ELIGIBLE]
    weights = [w for part in parts for w in lm.anatomy.weights(part) if layers is None or w.site.layer in layers]
    weights.sort(key=lambda w: (w.site.layer, parts.index(w.site.part), w.site.expert or 0))
    top = lm.anatomy.head if head else None
    return [*weights, top] if top else weights


def impact(weight: Weight, sums: Sums) -> Iterator[Tensor]:
    """Yield the scores of a weight's entries, row by row of its (out, in) matrix, in float32 pieces."""
    yield from _pieces(weight.matrix(sums[id(weight.parameter)]), float(weight.matrix().float().std()))


def _pieces(matrix: Tensor, scale: float) -> Iterator[Tensor]:
    rows = max(1, CHUNK // matrix.shape[1])
    for begin in range(0, matrix.shape[0], rows):
        yield (matrix[begin : begin + rows].float().abs() * abs(scale)).flatten()


def _chunks(weights: Sequence[Weight], sums: Sums, control: str, seed: int) -> list[Chunks]:
    """Return each weight's scores, or what a control puts in their place."""

    def of(number: int, weight: Weight) -> Chunks:
        if control == "random":
            return lambda: _noise(weight, seed * 1_000_003 + number)
        if control == "magnitude":
            return lambda: _pieces(weight.matrix(), 1.0)
        if control == "bottom":
            return lambda: (1 / (1e-30 + piece) for piece in impact(weight, sums))
        return lambda: impact(weight, sums)

    return [of(number, weight) for number, weight in enumerate(weights)]


def _noise(weight: Weight, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for part in range(0, weight.shape[0] * weight.shape[1], CHUNK):
        yield torch.rand(min(CHUNK, weight.shape[0] * weight.shape[1] - part), generator=generator)


def _scores(
    lm: LM,
    behaviour: Behaviour,
    score: Score,
    probe: Probe | None,
    judge: str | None,
    most: int,
    batch: int,
    seed: int,
    absolute: bool,
) -> tuple[Scores, int]:
    rng = random.Random(seed)
    batch = 1 if absolute else batch
    if score == "pairs":
        return pair_scores(lm, *contrasts(lm, behaviour, rng, most), batch, paired=absolute)
    bad = [e for e in behaviour.examples if e.label]
    bad = rng.sample(bad, min(most, len(bad)))
    if score == "probe":
        fitted = probe or fit_probe(lm, behaviour, space="residual", pool="decision", seed=seed)
        return probe_scores(lm, fitted, bad, batch)
    if judge is None:
        raise UsageError(
            "no judge is named", fix='Name a model that says what is safe: `judge="meta-llama/Llama-Guard-3-1B"`'
        )
    requests = [e.prompt for e in bad if e.prompt]
    if not requests:
        raise UsageError("the judge needs requests", why="No text answers one.", fix='Give texts with a "prompt".')
    return judge_scores(lm, LM.load(judge), requests, seed=seed)


def _choose(lm: LM, weights: Sequence[Weight], parts: list[Chunks], share: float, about: dict[str, Any]) -> Mask:
    """Return the mask of the largest scores, with what the map is drawn from."""
    total = sum(p.numel() for p in lm.model.parameters())
    candidates = sum(w.shape[0] * w.shape[1] for w in weights)
    count = round(share * total)
    if not 1 <= count <= candidates:
        raise UsageError(
            f"can not choose {share:g} of {total:,} parameters",
            why=f"{candidates:,} are eligible.",
            fix="Give a share such as 0.01.",
        )
    positions = largest(parts, count)
    entries: dict[str, list[Tensor]] = {}
    cells = []
    for weight, part, numbers in zip(weights, parts, positions, strict=True):
        cells.append({
            "layer": weight.site.layer, "part": weight.site.part, "expert": weight.site.expert,
            "size": weight.shape[0] * weight.shape[1], "chosen": len(numbers), "mean": _mean(part),
        })  # fmt: skip
        if len(numbers):
            entries.setdefault(weight.tensor, []).append(weight.flat(numbers))
    sorted_entries = {name: torch.cat(index).sort().values for name, index in entries.items()}
    shapes = {name: tuple(lm.tensor(name).shape) for name in sorted_entries}
    about = {**about, "share": share, "parameters": total, "cells": cells}
    return Mask(sorted_entries, shapes, candidates, about)


def _mean(part: Callable[[], Iterator[Tensor]]) -> float:
    total, count = 0.0, 0
    for piece in part():
        total, count = total + float(piece.double().sum()), count + len(piece)
    return float(f"{total / count:.9g}")
