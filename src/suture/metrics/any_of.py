"""Whether one of several ways to ask is answered rightly, or every one: the rules of MQuAKE and RippleEdits.

Several targets of one question must all be said, each by its name or an alias, as the evaluator of RippleEdits has it.

Source: Zhong et al. 2023, "MQuAKE: Assessing Knowledge Editing in Language Models via Multi-Hop Questions", section 3.3: an
instance is right when any of its three questions gets the new answer or one of its aliases; Cohen et al. 2024, "Evaluating the
Ripple Effects of Knowledge Editing in Language Models": the questions of a test have answers of their own.
The model writes freely and greedily; as everywhere here an answer must come first and end where a word ends. Of several targets
one must come first; the others may stand anywhere in what is written, as whole words. In a chat the first must be stated by the
first sentence (`text.sentence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..model.lm import LM
from ..text.letters import begins_with
from ..text.letters import names as holds
from ..text.reasoning import answer_of
from ..text.sentence import states
from ._metric import metric
from ._score import Observation, Progress
from .completion import SENTENCE, complete


@dataclass(frozen=True)
class Cases:
    """Questions, each asked in one or several ways.

    Attributes:
        prompts: of each case the ways to ask.
        answers: of each way the names of its target; one is enough.
        every: all ways are to be answered, not one.
        chat: write the prompts with the chat template.
        also: of each way the names of each further target, all of which are to be said, too; empty where no way has any.
    """

    prompts: Sequence[Sequence[str]]
    answers: Sequence[Sequence[Sequence[str]]]
    every: bool = False
    chat: bool = False
    also: Sequence[Sequence[Sequence[Sequence[str]]]] = ()


@metric(cost="answers")
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Ask in all ways; a value is 1 when one of them is right (or all, with `every`), 0 when not."""
    also = cases.also or [[()] * len(ways) for ways in cases.prompts]
    targets = [
        [(names, *more) for names, more in zip(answers, further, strict=True)]
        for answers, further in zip(cases.answers, also, strict=True)
    ]
    longest = [text for case in targets for way in case for text in _longest(way)]
    continuations = complete(
        lm, [way for case in cases.prompts for way in case], longest, chat=cases.chat, progress=progress,
        least=SENTENCE if cases.chat else 0,
    )  # fmt: skip
    rest = iter(continuations)
    texts = [[next(rest)[0] for _ in case] for case in cases.prompts]
    enough = all if cases.every else any
    right = [
        enough(
            says(answer_of(text), way, prompt if cases.chat else None)
            for prompt, text, way in zip(prompts, case_texts, case, strict=True)
        )
        for prompts, case_texts, case in zip(cases.prompts, texts, targets, strict=True)
    ]
    return Observation(torch.tensor(right, dtype=torch.float64), torch.ones(len(right), dtype=torch.float64), texts)


def says(text: str, targets: Sequence[Sequence[str]], request: str | None = None) -> bool:
    """Return whether a text begins with a name of a target and holds one of every other, as whole words.

    Args:
        text: what was written.
        targets: names of each.
        request: as it was asked, in a chat, where it is enough that the first sentence states the name.
    """
    every = [name for names in targets for name in names]
    if not any(begins_with(text, name) if request is None else states(text, name, request) for name in every):
        return False
    return len(targets) == 1 or all(any(holds(text, name) for name in names) for names in targets)


def _longest(targets: Sequence[Sequence[str]]) -> list[str]:
    """Return texts as long as what may have to be said: each name, or all targets one after the other."""
    if len(targets) == 1:
        return list(targets[0])
    return [", ".join(max(names, key=len) for names in targets)]
