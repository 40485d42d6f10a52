"""Whether greedy generation gives the one right answer: facts, sums, stories.

The model writes freely; the answer must come first and end where a word ends. In a chat, where a model answers in sentences, a
suite may ask for less (`sentence`): the first sentence states it (`text.sentence`). Nothing is teacher-forced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..model.lm import LM
from ..model.run.generation import Doses, generate
from ..model.run.reading import answers as read_behind
from ..model.run.reading import ids_of
from ..renamed import with_old_names
from ..text.letters import begins_with
from ..text.reasoning import answer_of
from ..text.sentence import states
from ._metric import metric
from ._score import Observation, Progress
from ._written import marked

SPARE = 2  # tokens beyond the answer's, to see that the word ends
SENTENCE = 40  # tokens, room for the first sentence of an answer


@dataclass(frozen=True)
class Cases:
    """Prompts with their right answers.

    Attributes:
        prompts: raw texts, or requests when `chat`.
        answers: what is right.
        chat: write the prompts with the chat template.
        sentence: an answer counts when the first sentence states it, wherever in it.
    """

    prompts: Sequence[str]
    answers: Sequence[str]
    chat: bool = False
    sentence: bool = False


@metric(cost="answers", batches_strengths=True)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Complete greedily; a value is 1 when right, 0 when not."""
    least = SENTENCE if cases.sentence else 0
    texts = complete(lm, cases.prompts, cases.answers, chat=cases.chat, doses=doses, progress=progress, least=least)
    rows = zip(cases.prompts, texts, cases.answers, strict=True)
    right = [
        states(said, answer, prompt) if cases.sentence else begins_with(said, answer)
        for prompt, said, answer in ((prompt, answer_of(text[0]), answer) for prompt, text, answer in rows)
    ]
    return Observation(torch.tensor(right, dtype=torch.float64), torch.ones(len(right), dtype=torch.float64), texts)


def complete(
    lm: LM,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    chat: bool = False,
    doses: Doses | None = None,
    progress: Progress | None = None,
    least: int = 0,
) -> list[list[str]]:
    """Return a greedy continuation of each prompt: a little longer than the longest of some answers, `least` tokens at least."""
    texts = lm.prompt_texts(prompts, chat=chat)
    longest = max(len(ids) - begin for ids, begin in read_behind(lm, texts[:1] * len(answers), answers))
    ids = [ids_of(lm, text) for text in texts]
    longest = max(longest + SPARE, least)
    continuations = generate(lm, ids, max_new_tokens=longest, temperature=0, doses=doses, progress=progress)
    return marked(lm, ids, continuations) if chat else continuations


__getattr__ = with_old_names(__name__)
