"""How often free generation shows a behaviour in words that are not the same whatever was asked: what a search moves.

    share_after - max(0, echoes_after - echoes_before)         of a label that is wanted; of one that is not they are added
A judge reads one text at a time, and a model that answers everything by one phrase may please it every time. Texts that became
echoes, more than the base writes by itself, count as if they did not show what is wanted.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ..model.lm import LM
from ..model.run.generation import Doses
from ..text.repetition import echoes
from . import sampled
from ._metric import metric
from ._score import Observation, Progress, Score, paired
from .sampled import Cases, cache_key

ECHO = "echo"  # of each case the share of its texts that are echoes, below 0 where they are taken off


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    return _with_echoes(cases, sampled.repeat(cases, made), None)


def score(before: Observation, after: Observation) -> Score:
    """Compare shares, those of the edited model less the echoes that it has more of."""
    plain = paired(before, after)
    first, then = (torch.tensor(seen.extra[ECHO], dtype=torch.float64).mean() for seen in (before, after))
    more = float(then - first)
    if more * float(then + first) <= 0:  # no more than the base has
        return plain
    more = min(max(more, -plain.after), 1 - plain.after)  # it stays a share
    low, high = plain.low + more, plain.high + more
    return replace(plain, after=plain.after + more, change=plain.change + more, low=low, high=high)


@metric(score=score, cost="writes", cache_key=cache_key, repeat=repeat, batches_strengths=True)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Sample, label, and look for echoes. Values are shares of samples, weights their number, as of `sampled`."""
    return _with_echoes(cases, sampled.observe(lm, cases, progress, doses), doses)


def _with_echoes(cases: Cases, made: Observation, doses: Doses | None) -> Observation:
    sign = 1.0 if cases.strict else -1.0
    shares = [0.0] * len(cases.prompts)
    whose = list(doses.strengths) if doses else [0.0] * len(cases.prompts)
    for strength in dict.fromkeys(whose):  # what one says is no echo of another
        places = [place for place, one in enumerate(whose) if one == strength]
        flags = echoes([cases.prompts[i] for i in places], [made.texts[i] for i in places])
        for place, same in zip(places, flags, strict=True):
            shares[place] = sign * sum(same) / len(same)
    return replace(made, extra={**made.extra, ECHO: shares})
