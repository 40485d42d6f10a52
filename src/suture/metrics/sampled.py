"""How often free generation shows a behaviour: sampled continuations, each labelled by a judge.

A case is a prompt; its value is the share of its samples that got the label asked for. What the judge can not place
counts as not having it, and the report shows the texts. A reasoning that came to no answer within its tokens is labelled as
what can not be placed, too, but where little of a label is good it counts as having it: that no answer was seen is no merit.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..judges import Judge, label_all
from ..model.lm import LM
from ..model.run.generation import Doses
from ..text.reasoning import unfinished
from ._metric import metric
from ._score import Observation, Progress
from ._written import same_texts, write


@dataclass(frozen=True)
class Cases:
    """Prompts and what to look for in their continuations.

    Attributes:
        prompts: raw texts, or requests when `chat`.
        judge: labels a continuation.
        label: the label that is counted.
        chat: write the prompts with the chat template.
        samples: continuations per prompt.
        max_new_tokens: longest continuation.
        temperature: of the sampling.
        seed: of the sampling.
        top_p: share of the probability that is drawn from, the likeliest tokens first.
        strict: count a reasoning without an answer as having the label; for labels of which little is good.
        thinking: of a chat: let a model think aloud that can; what it says behind that is judged.
    """

    prompts: Sequence[str]
    judge: Judge
    label: str
    chat: bool = False
    samples: int = 2
    max_new_tokens: int = 40
    temperature: float = 1.0
    seed: int = 0
    top_p: float = 1.0
    strict: bool = False
    thinking: bool = False


def cache_key(cases: Cases) -> Hashable:
    """Return a key that two cases share when one sampling serves both: all but the judge and the label is the same."""
    return (*same_texts(cases), "judged")


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of the same texts with another label counted, or by another judge."""
    return _label_shares(cases, made.texts, made.extra)


@metric(cost="writes", cache_key=cache_key, repeat=repeat, batches_strengths=True)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Sample and label. Values are shares of samples, weights their number."""
    return _label_shares(cases, write(lm, cases, progress, doses), {})


def _label_shares(cases: Cases, texts: list[list[str]], extra: Mapping[str, list[list[str]]]) -> Observation:
    """Count a label. `extra` has the labels of judges that have seen the texts, as that of the result has them."""
    judge = f"labels by {cases.judge!r}"
    labels = extra.get(judge)
    if labels is None:
        pairs = [(prompt, text) for prompt, samples in zip(cases.prompts, texts, strict=True) for text in samples]
        rest = iter(label_all(cases.judge, pairs))
        labels = [[next(rest) for _ in samples] for samples in texts]
    shares = [
        sum(label == cases.label or (cases.strict and unfinished(text)) for label, text in zip(*pair, strict=True))
        / len(pair[0])
        for pair in zip(labels, texts, strict=True)
    ]
    weights = torch.full((len(shares),), float(cases.samples), dtype=torch.float64)
    return Observation(
        torch.tensor(shares, dtype=torch.float64), weights, texts, {**extra, judge: labels, "labels": labels}
    )
