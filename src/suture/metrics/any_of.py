"""Whether one of several ways to ask is answered rightly, or every one: the rules of MQuAKE and RippleEdits.

Source: Zhong et al. 2023, "MQuAKE: Assessing Knowledge Editing in Language Models via Multi-Hop Questions", section 3.3: an
instance is right when any of its three questions gets the new answer or one of its aliases; Cohen et al. 2024, "Evaluating the
Ripple Effects of Knowledge Editing in Language Models": the questions of a test have answers of their own.
The model writes freely and greedily; as everywhere here the answer must come first and end where a word ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..lm import LM
from ..reasoning import answer_of
from ._score import Observation, Progress, Score, paired
from .completion import begins_with, completed


@dataclass(frozen=True)
class Cases:
    """For each case the ways to ask, and for each of these the answers that count; `every` asks for all, not for one."""

    prompts: Sequence[Sequence[str]]
    answers: Sequence[Sequence[Sequence[str]]]
    every: bool = False
    chat: bool = False


def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Ask in all ways; a value is 1 when one of them is right (or all, with `every`), 0 when not."""
    told = [answer for case in cases.answers for answers in case for answer in answers]
    written = completed(lm, [way for case in cases.prompts for way in case], told, chat=cases.chat, progress=progress)
    rest = iter(written)
    texts = [[next(rest)[0] for _ in case] for case in cases.prompts]
    enough = all if cases.every else any
    right = [
        enough(
            any(begins_with(answer_of(text), answer) for answer in answers)
            for text, answers in zip(own, case, strict=True)
        )
        for own, case in zip(texts, cases.answers, strict=True)
    ]
    return Observation(torch.tensor(right, dtype=torch.float64), torch.ones(len(right), dtype=torch.float64), texts)


def score(before: Observation, after: Observation) -> Score:
    """Compare the shares of right cases."""
    return paired(before, after)
