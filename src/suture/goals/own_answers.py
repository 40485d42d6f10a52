"""A model's own answers to harmless requests, which an edit toward refusal is to leave about as likely as they were.

    exp mean_t -log P(answer_t | request, answer_<t)      of the edited model, compared with that of the base
An answer is garbled, or names what it should not, long before a judge calls it none: shares of answers alone would not see it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..io.json_files import read_json, write_json
from ..measure.suite import Measure, Suite
from ..metrics.completion import Cases
from ..model.lm import LM
from ..model.run.generation import generate
from ..runs.run import Run
from .measures import SHORT

NAME = "own_answers"


def own_answers(lm: LM, requests: Sequence[str], run: Run) -> Suite:
    """Return the measure of them; none where nothing is asked, or nothing answered.

    Args:
        lm: the base.
        requests: harmless ones.
        run: keeps the answers, for a run that is continued.
    """
    if not requests:
        return []

    def answer() -> list[str]:
        ids = lm.encode_prompts(list(requests), chat=True)
        return [text for (text,) in generate(lm, ids, max_new_tokens=SHORT, temperature=0)]

    answers = run.stage("own-answers", answer, write_json, read_json, suffix=".json")
    pairs = [(request, answer) for request, answer in zip(requests, answers, strict=True) if answer.strip()]
    if not pairs:
        return []
    cases = Cases([request for request, _ in pairs], [answer for _, answer in pairs], chat=True)
    return [Measure(NAME, "answers", cases, "keep", "lower", "perplexity of its own answers to harmless requests")]
