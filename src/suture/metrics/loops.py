"""How often free text gets stuck: the share of continuations that end in a loop of the same words."""

from __future__ import annotations

from ..model.lm import LM
from ..model.run.generation import Doses
from ..text.repetition import ends_in_loop
from ._metric import metric
from ._score import Observation, Progress
from ._written import Cases, per_prompt, same_texts, write


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    return per_prompt(made.texts, ends_in_loop)


@metric(cost="writes", cache_key=same_texts, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Write texts; a value is the share of a prompt's that end in a loop."""
    return per_prompt(write(lm, cases, progress, doses), ends_in_loop)
