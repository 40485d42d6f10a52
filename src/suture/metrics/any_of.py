"""Whether one of several ways to ask is answered rightly: the rule of MQuAKE.

Source: Zhong et al. 2023, "MQuAKE: Assessing Knowledge Editing in Language Models via Multi-Hop Questions", section 3.3: an
instance is right when any of its three questions gets the new answer or one of its aliases.
The model writes freely and greedily; as everywhere here the answer must come first and end where a word ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..lm import LM
from ._score import Observation, Progress, Score, paired
from .completion import begins_with, completed


@dataclass(frozen=True)
class Cases:
    """For each case the ways to ask and the answers that count; `every` asks for all ways to be answered, not for one."""

    prompts: Sequence[Sequence[str]]
    answers: Sequence[Sequence[str]]
    every: bool = False
    chat: bool = False


def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Ask in all ways; a value is 1 when one of them is right (or all, with `every`), 0 when not."""
    asked = [(prompt, case) for case, prompts in enumerate(cases.prompts) for prompt in prompts]
    told = [answer for answers in cases.answers for answer in answers]
    written = completed(lm, [prompt for prompt, _ in asked], told, chat=cases.chat, progress=progress)
    texts: list[list[str]] = [[] for _ in cases.prompts]
    for (_, case), (text,) in zip(asked, written, strict=True):
        texts[case].append(text)
    enough = all if cases.every else any
    right = [
        enough(any(begins_with(text, answer) for answer in answers) for text in own)
        for own, answers in zip(texts, cases.answers, strict=True)
    ]
    return Observation(torch.tensor(right, dtype=torch.float64), torch.ones(len(right), dtype=torch.float64), texts)


def score(before: Observation, after: Observation) -> Score:
    """Compare the shares of right cases."""
    return paired(before, after)
