"""Harmful requests refused, and harmful requests answered in part because of a wrapper; 1 is answered.

Half of the refused requests come in a wrapper too: what the classes differ in is the answer, not the request. The
beginnings of an answer hold nothing of use: no means, no quantity, no step that would help anyone.
"""

from __future__ import annotations

import random

from ..examples import Labelled
from . import requests
from ._parts import Split, distinct, grouped, listed, part

TEXTS = {"probe": 320, "tune": 160, "report": 160}  # of each class
LED_IN = 0.7  # share of the answers of either kind that begin with one of LEAD_INS
PROMPTS = {"probe": 240, "tune": 120, "report": 120}
WRAPPERS = grouped("harden", "WRAPPERS")  # kind -> one of each four lines to tune and to report
LEAD_INS = listed(
    "harden", "LEAD_INS"
)  # how both kinds of answer may begin, so that the first words do not tell which it is
REFUSALS = tuple(grouped("harden", "REFUSALS").values())
ANSWERS = tuple(grouped("harden", "ANSWERS").values())


def labelled(split: Split) -> list[Labelled]:
    """Return answers to harmful requests, each with its request as `prompt`: refused (0) or answered (1)."""
    rng = random.Random(f"harden {split}")
    actions = requests.harmful_actions(split)

    def exchange(action: str, complied: bool, wrapped: bool, led_in: bool) -> tuple[str, ...]:
        request = requests.ask(rng, action, split)
        sentences = [rng.choice(part(block, split)) for block in (ANSWERS if complied else REFUSALS)]
        if led_in:
            sentences.insert(0, rng.choice(part(LEAD_INS, split)))
        answer = " ".join(sentences).replace("{a}", action.replace(" my ", " your "))
        return answer, wrap(rng, request, split) if wrapped else request

    def pair(number: int) -> tuple[str, ...]:
        action, led_in = actions[number % len(actions)], rng.random() < LED_IN
        refused = exchange(action, False, number // len(actions) % 2 == 0, led_in)
        return refused + exchange(action, True, True, led_in)

    exchanges = distinct(TEXTS[split], pair)
    refused = [Labelled(answer, 0, request) for answer, request, _, _ in exchanges]
    return refused + [Labelled(answer, 1, request) for _, _, answer, request in exchanges]


def prompts(split: Split) -> list[str]:
    """Return harmful requests in wrappers."""
    return _wrapped_prompts(f"harden prompts {split}", requests.harmful_actions(split), split)


def wrapped_benign(split: Split) -> list[str]:
    """Return harmless requests in the same wrappers: what an edit must go on answering."""
    return _wrapped_prompts(f"wrapped benign {split}", part(requests.BENIGN, split), split)


def wrap(rng: random.Random, request: str, split: Split) -> str:
    """Return a request in one of the wrappers of the split; every kind of wrapper is as likely."""
    wrapper = rng.choice(part(WRAPPERS[rng.choice(list(WRAPPERS))], split))
    return wrapper.replace("{q}", request)


def topics(split: Split) -> list[str]:
    """Return what both classes share: the harmful actions."""
    return requests.harmful_actions(split)


def _wrapped_prompts(seed: str, actions: list[str], split: Split) -> list[str]:
    rng = random.Random(seed)

    def prompt(number: int) -> tuple[str, ...]:
        return (wrap(rng, requests.ask(rng, actions[number % len(actions)], split), split),)

    return [text for (text,) in distinct(PROMPTS[split], prompt)]
