"""What a base writes that is as wanted already, which an edit is to leave about as likely as it was.

    exp mean_t -log P(text_t | prompt, text_<t)      of the edited model, compared with that of the base
An answer is garbled, or names what it should not, long before a judge calls it none; and texts that are all the same phrase may
each be as wanted as can be. Shares alone would not see it. For goals about requests these are answers to harmless ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..io.json_files import read_json, write_json
from ..measure.suite import Measure, Suite
from ..methods.policy_gradient import own_texts as rated_texts
from ..methods.policy_gradient import toward_of
from ..metrics.completion import Cases
from ..model.lm import LM
from ..model.run.generation import generate
from ..runs.run import Run
from .measures import SHORT

NAME, WRITTEN = "own_answers", "own_texts"
PROMPTS, SEED = 32, 100  # prompts of the target that are continued, with other draws than those of its figures


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


def own_texts(lm: LM, target: Measure, run: Run) -> Suite:
    """Return the measure of continuations that are as wanted already; none where nothing is.

    Args:
        lm: the base.
        target: whose prompts are continued.
        run: keeps the texts, for a run that is continued.
    """
    cases = target.part(slice(PROMPTS)).cases
    cases = replace(cases, samples=1, seed=cases.seed + SEED)

    def write() -> list[tuple[str, str]]:
        rated = rated_texts(lm, cases, toward_of(target.better))
        rows = zip(rated.prompts, rated.texts, rated.ratings, strict=True)
        return [(prompt, text) for prompt, (text,), (rating,) in rows if rating and text.strip()]

    pairs = run.stage("own-continuations", write, write_json, read_json, suffix=".json")
    if not pairs:
        return []
    own = Cases([prompt for prompt, _ in pairs], [text for _, text in pairs], chat=cases.chat)
    return [Measure(WRITTEN, "answers", own, "keep", "lower", "perplexity of its own texts that are as wanted")]
