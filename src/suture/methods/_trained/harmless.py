"""Harmless requests whose answers an edit of attacks leaves alone: those of its instances, as they are and inside the attack.

Inside the attack a harmless request stands in place of the harmful question, so that what differs is what is asked for and
nothing else; the model as it is gives the answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...data.bundled.requests import benign
from ...data.examples import ResponsePair
from ...errors import UsageError
from ...model.lm import LM
from ...model.run.generation import generate
from .watch import WRITTEN

KEPT = 4  # harmless requests that the model answers itself where an instance brings none


def harmless(lm: LM, instances: Sequence[ResponsePair], inside: bool) -> list[tuple[str, str]]:
    """Return harmless requests with their answers.

    Args:
        lm: the model, which answers the bundled requests and those inside an attack.
        instances: their own harmless requests are used, and bundled ones where there are none.
        inside: also those requests inside the attack of each instance.

    Raises:
        UsageError: when no instance tells the question that its attack is wrapped around.
    """
    pairs = [pair for instance in instances for pair in instance.keep]
    if not pairs:
        pairs = _answer(lm, benign("probe")[:KEPT])
    if not inside:
        return pairs
    wrapped = [instance for instance in instances if instance.question and instance.question in instance.prompt]
    if not wrapped:
        raise UsageError(
            "no instance tells what its attack is wrapped around",
            why="A harmless request is put in place of the harmful question, which has to be known.",
            fix='Give "question" beside "prompt", word for word as it stands in it; or leave inside out.',
        )
    by_instance = {instance: [request for request, _ in instance.keep or pairs] for instance in wrapped}
    requests = [
        instance.prompt.replace(instance.question, request)
        for instance, replacements in by_instance.items()
        for request in replacements
    ]
    return [*pairs, *_answer(lm, requests)]


def _answer(lm: LM, requests: Sequence[str]) -> list[tuple[str, str]]:
    ids = lm.encode_prompts(list(requests), chat=True)
    answers = [text.strip() for (text,) in generate(lm, ids, max_new_tokens=WRITTEN, temperature=0)]
    return list(zip(requests, answers, strict=True))
