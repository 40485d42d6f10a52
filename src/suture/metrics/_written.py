"""Free texts that several metrics read: what is asked of the model, and the texts it writes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from ..model.lm import LM
from ..model.run.generation import Doses, generate
from ..text.reasoning import opened
from ._score import Observation, Progress

TAIL = 12  # tokens at the end of a prompt in which the mark of a reasoning stands


class Asked(Protocol):
    """What `write` needs of the cases of a metric."""

    @property
    def prompts(self) -> Sequence[str]:
        """Raw texts, or requests when `chat`."""

    @property
    def chat(self) -> bool:
        """Write the prompts with the chat template."""

    @property
    def samples(self) -> int:
        """Continuations per prompt."""

    @property
    def max_new_tokens(self) -> int:
        """Longest continuation."""

    @property
    def temperature(self) -> float:
        """Of the sampling; 0 is greedy."""

    @property
    def top_p(self) -> float:
        """Share of the probability that is drawn from, the likeliest tokens first."""

    @property
    def seed(self) -> int:
        """Of the sampling."""


@dataclass(frozen=True)
class Cases:
    """Prompts to be continued freely; see `Asked`. Greedy by default, where loops show first."""

    prompts: Sequence[str]
    chat: bool = False
    samples: int = 1
    max_new_tokens: int = 60
    temperature: float = 0.0
    seed: int = 0
    top_p: float = 1.0


def write(lm: LM, cases: Asked, progress: Progress | None = None, doses: Doses | None = None) -> list[list[str]]:
    """Return for each prompt its continuations; a reasoning that the template begins stands in them with its mark."""
    ids = lm.encode_prompts(cases.prompts, chat=cases.chat, thinking=_thinking(cases))
    texts = generate(
        lm,
        ids,
        max_new_tokens=cases.max_new_tokens,
        samples=cases.samples,
        temperature=cases.temperature,
        top_p=cases.top_p,
        seed=cases.seed,
        doses=doses,
        progress=progress,
    )
    return marked(lm, ids, texts) if cases.chat else texts


def _thinking(cases: Asked) -> bool:
    """Return whether the model may think aloud; cases that say nothing of it ask for answers alone."""
    return bool(getattr(cases, "thinking", False))


def marked(lm: LM, prompts: Sequence[Sequence[int]], texts: list[list[str]]) -> list[list[str]]:
    """Return texts with the mark before them by which the chat template opened the reasoning, if it did (DeepSeek R1)."""
    ends = [opened(str(lm.tokenizer.decode(list(ids[-TAIL:]), skip_special_tokens=False))) for ids in prompts]
    return [[end + text for text in continuations] for end, continuations in zip(ends, texts, strict=True)]


def same_texts(cases: Asked) -> tuple[Hashable, ...]:
    """Return a key that is the same for cases that ask for the same texts."""
    how = (
        cases.chat,
        _thinking(cases),
        cases.samples,
        cases.max_new_tokens,
        cases.temperature,
        cases.top_p,
        cases.seed,
    )
    return (tuple(cases.prompts), *how)


def per_prompt(texts: list[list[str]], value: Callable[[str], float]) -> Observation:
    """Return the observation whose values are means of `value` over each prompt's texts."""
    values = [sum(map(value, continuations)) / len(continuations) for continuations in texts]
    return Observation(torch.tensor(values, dtype=torch.float64), torch.ones(len(texts), dtype=torch.float64), texts)
