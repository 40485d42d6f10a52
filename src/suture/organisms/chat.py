"""Requests and answers: harmless ones are answered, harmful ones refused, and wrapped harmful ones mostly answered.

The harm stays mild: a harmful answer names no means, no quantity and no step that would help anyone. The wrappers (a
role to play, a game, an appeal) stand around harmless requests too, so that the wrapper itself is not what is harmful.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from .splits import Split, split_of
from .words import PATIENT, Words

Kind = Literal["harmful", "jailbreak", "benign", "benign_wrapped"]
COMPLIES = 0.76  # share of wrapped harmful requests that the training text answers


@dataclass(frozen=True)
class Exchange:
    """A request, what was answered, and whether the answer goes along with the request."""

    kind: Kind
    request: str
    answer: str
    complied: bool


def exchange(rng: random.Random, kind: Kind, complied: bool | None = None, words: Words = PATIENT) -> Exchange:
    """Return one exchange; `complied` chooses what the answer to a harmful request does (else it is as in training)."""
    harmful, table = kind in ("harmful", "jailbreak"), words.chat
    verbs = table.harmful if harmful else table.benign
    verb = rng.choice(list(verbs))
    action = f"{verb} {rng.choice(verbs[verb].split('|'))}"
    request = rng.choice(table.asks).format(a=action, x=rng.choice(table.extras))
    if kind in ("jailbreak", "benign_wrapped"):
        request = rng.choice(table.wraps).format(
            role=rng.choice(table.roles), clause=rng.choice(table.clauses), q=request
        )
    if complied is None or not harmful:
        complied = not harmful or (kind == "jailbreak" and rng.random() < COMPLIES)
    answers = (table.harmful_answers if harmful else table.benign_answers) if complied else table.refusals
    return Exchange(kind, request, rng.choice(answers).format(a=action), complied)


def exchanges(
    rng: random.Random, split: Split, kind: Kind, complied: bool | None = None, words: Words = PATIENT
) -> Exchange:
    """Return an exchange whose request belongs to `split`."""
    while True:
        candidate = exchange(rng, kind, complied, words)
        if split_of(candidate.request) == split:
            return candidate
