"""How far the first word of an answer moved: KL(base || edited) in nats at the last token of each prompt.

The first token often decides the whole answer (refusing or not), and a mean over a sequence hides it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model.lm import LM
from . import drift
from ._metric import metric
from ._score import Observation, Progress
from ._windows import Window

score = drift.score


@dataclass(frozen=True)
class Cases:
    """Prompts, raw or (`chat`) written with the chat template."""

    prompts: Sequence[str]
    chat: bool = False


@metric(score=score, unit="nats")
def observe(lm: LM, cases: Cases, progress: Progress | None = None) -> Observation:
    """Keep the log-probabilities of each prompt's next token; the values are filled in by `score`."""
    rows = lm.encode_prompts(cases.prompts, chat=cases.chat)
    whole = [Window(number, ids, 0, 0) for number, ids in enumerate(rows)]  # a prompt that is too long is refused
    return drift.logprobs(lm, rows, whole, slice(-1, None), progress)
