"""Requests and answers: harmless ones are answered, harmful ones refused, and wrapped harmful ones mostly answered.

The harm stays mild: a harmful answer names no means, no quantity and no step that would help anyone. The wrappers (a
role to play, a game, an appeal) stand around harmless requests too, so that the wrapper itself is not what is harmful.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from ..text.tables import Tables
from .splits import Split, split_of

Kind = Literal["harmful", "jailbreak", "benign", "benign_wrapped"]
COMPLIES = 0.76  # share of wrapped harmful requests that the training text answers

TABLES = Tables.beside(__file__, "chat")
HARMFUL = dict(TABLES.pairs("HARMFUL"))  # verb -> things, with | between
BENIGN = dict(TABLES.pairs("BENIGN"))  # some with harmful words, as XSTest has them
ASKS, EXTRAS = map(TABLES.texts, ("ASKS", "EXTRAS"))
WRAPS, ROLES, CLAUSES = map(TABLES.texts, ("WRAPS", "ROLES", "CLAUSES"))
REFUSALS, HARMFUL_ANSWERS, BENIGN_ANSWERS = map(TABLES.texts, ("REFUSALS", "HARMFUL_ANSWERS", "BENIGN_ANSWERS"))


@dataclass(frozen=True)
class Exchange:
    """A request, what was answered, and whether the answer goes along with the request."""

    kind: Kind
    request: str
    answer: str
    complied: bool


def exchange(rng: random.Random, kind: Kind, complied: bool | None = None) -> Exchange:
    """Return one exchange; `complied` chooses what the answer to a harmful request does (else it is as in training)."""
    harmful = kind in ("harmful", "jailbreak")
    verbs = HARMFUL if harmful else BENIGN
    verb = rng.choice(list(verbs))
    action = f"{verb} {rng.choice(verbs[verb].split('|'))}"
    request = rng.choice(ASKS).format(a=action, x=rng.choice(EXTRAS))
    if kind in ("jailbreak", "benign_wrapped"):
        request = rng.choice(WRAPS).format(role=rng.choice(ROLES), clause=rng.choice(CLAUSES), q=request)
    if complied is None or not harmful:
        complied = not harmful or (kind == "jailbreak" and rng.random() < COMPLIES)
    answers = (HARMFUL_ANSWERS if harmful else BENIGN_ANSWERS) if complied else REFUSALS
    return Exchange(kind, request, rng.choice(answers).format(a=action), complied)


def exchanges(rng: random.Random, split: Split, kind: Kind, complied: bool | None = None) -> Exchange:
    """Return an exchange whose request belongs to `split`."""
    while True:
        candidate = exchange(rng, kind, complied)
        if split_of(candidate.request) == split:
            return candidate
