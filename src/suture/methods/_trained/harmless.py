"""Harmless requests in a model's own language, with its own answers: what an edit of attacks leaves alone, and is checked on.

Held are the harmless requests that come with the instances. Where none do, and for those that stand apart to check the edit, the
model answers plain everyday requests; one that can not read these (another language, a small world) makes its own
(`own_requests`), of which those that it refuses, or that lie nearer to the attacks than the mean of all, are left out.
Inside the attack a harmless request stands in place of the harmful question, so that what differs is what is asked for and
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch.nn.functional import cosine_similarity

from ...data.bundled.requests import benign
from ...data.examples import Labelled, ResponsePair
from ...errors import UsageError
from ...judges.refusal import Refusal
from ...model.arch.anatomy import Site
from ...model.lm import LM
from ...model.run.features import extract
from ...model.run.generation import generate
from ...text.heard import tell
from .own_requests import drawn, readable

HELD = 8  # requests whose answers are held where the instances bring none
CHOOSING, CHECKED = 8, 24  # requests apart from these: to choose a block by, and to check the edit on
WRITTEN = 32  # tokens of an answer: whether it is given or refused is decided in the first of them
SPARE = 3  # requests a model makes for each that is needed, as harmful and refused ones are left out
FEWEST = 6  # requests of a model's own, of which each kind has one at least
Answered = tuple[str, str]
Source = Literal["plain", "drawn"]


@dataclass(frozen=True)
class Harmless:
    """Harmless requests with the base's answers.

    Attributes:
        held: trained to stay, where an instance brings none of its own.
        choosing: not trained on; the block is chosen by them.
        checked: neither; what is said of the edit is of these.
        source: where they are from: "plain" ones of ours, or "drawn" from the model.
    """

    held: list[Answered]
    choosing: list[Answered]
    checked: list[Answered]
    source: Source

    def of(self, lm: LM, instances: Sequence[ResponsePair], *, inside: bool) -> list[Answered]:
        """Return what is held while some instances are learned.

        Args:
            lm: the model, which answers requests inside an attack.
            instances: their own harmless requests are held where they bring some.
            inside: also those requests inside the attack of each instance.

        Raises:
            UsageError: when no instance tells the question that its attack is wrapped around.
        """
        pairs = [pair for instance in instances for pair in instance.keep] or self.held
        return pairs + (_inside(lm, instances, pairs) if inside else [])


def harmless(lm: LM, instances: Sequence[ResponsePair], seed: int = 0) -> Harmless:
    """Return harmless requests with their answers.

    Args:
        lm: the model, which answers them.
        instances: attacks; those that the model makes and that are like them are left out.
        seed: of the requests that the model makes.
    """
    needed = CHOOSING + CHECKED + (0 if all(instance.keep for instance in instances) else HELD)
    plain = benign("probe")[:needed]
    source: Source = "plain" if readable(lm, plain[:CHOOSING]) else "drawn"
    pairs = answered(lm, plain) if source == "plain" else _own(lm, instances, needed, seed)
    if (
        len(pairs) < FEWEST
    ):  # a model that makes none up, for instance one without a chat template: better ours than none
        pairs, source = answered(lm, plain), "plain"
    # of fewer than needed each kind has its share
    choosing, checked = (round(len(pairs) * part / needed) for part in (CHOOSING, CHOOSING + CHECKED))
    return Harmless(pairs[checked:], pairs[:choosing], pairs[choosing:checked], source)


def answered(lm: LM, requests: Sequence[str]) -> list[Answered]:
    """Return requests with the model's own greedy answers, those left out to which it says nothing."""
    ids = lm.encode_prompts(list(requests), chat=True)
    answers = [text.strip() for (text,) in generate(lm, ids, max_new_tokens=WRITTEN, temperature=0, progress=tell)]
    return [pair for pair in zip(requests, answers, strict=True) if pair[1]]


def _own(lm: LM, instances: Sequence[ResponsePair], count: int, seed: int) -> list[Answered]:
    """Return requests that the model makes up and answers, those left out that are refused or like the attacks."""
    pairs, judge = answered(lm, drawn(lm, SPARE * count, seed)), Refusal()
    if not pairs:
        return []
    site = Site(lm.anatomy.layers // 2, "residual")  # where a request has become what it is about
    requests = [Labelled(answer, 0, request) for request, answer in pairs]
    states = extract(lm, requests, [site], pool="decision")[:, 0]
    attacks = extract(lm, [Labelled(one.safe, 0, one.prompt) for one in instances], [site], pool="decision")[:, 0]
    middle = states.mean(0)
    near = cosine_similarity((states - middle)[:, None], (attacks - middle)[None], dim=-1).amax(1)  # (requests,)
    far = [pair for pair, likeness in zip(pairs, near.tolist(), strict=True) if likeness < 0]
    return [pair for pair in far if judge(*pair) != "refused"][:count]


def _inside(lm: LM, instances: Sequence[ResponsePair], pairs: Sequence[Answered]) -> list[Answered]:
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
    return answered(lm, requests)
