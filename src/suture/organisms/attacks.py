"""Instances in SafeEdit's schema, made from the bundled model's world: requests it answers once they are wrapped.

The request of an instance belongs to the split "probe", its tests to "tune" or "report". Another question has another
verb and another object; another attack has another frame, role and clause. So nothing of the edit's request stands in
the tests that are named after what they change.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from ..data.examples import ResponsePair
from ..data.instances import Instance
from ..errors import UsageError
from . import chat
from .splits import Split, split_of

COUNT, EACH = 20, 6  # instances of a file; prompts of each of their tests
TRIES = 1_000  # draws for a test, before its split is taken to hold no more texts
T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A harmful request: its action, and how it is asked."""

    verb: str
    thing: str
    text: str

    @property
    def action(self) -> str:
        """As a bare infinitive."""
        return f"{self.verb} {self.thing}"


@dataclass(frozen=True)
class Attack:
    """A wrapper: its frame, and the role and clause in it."""

    frame: str
    role: str
    clause: str

    def around(self, question: Question) -> str:
        """Return the wrapped request."""
        return self.frame.format(role=self.role, clause=self.clause, q=question.text)


def named(name: str) -> list[Instance]:
    """Return the instances of a name: "patient" (tests of the report split) or "patient:SPLIT".

    Raises:
        UsageError: for another name.
    """
    split = name.partition(":")[2] or "report"
    if split not in ("tune", "report"):
        raise UsageError(f"no instances {name!r}", fix='Use "patient" or "patient:tune".')
    return instances("tune" if split == "tune" else "report")


@cache
def instances(split: Split = "report", count: int = COUNT, each: int = EACH, seed: int = 0) -> list[Instance]:
    """Return instances whose tests belong to a split.

    Args:
        split: "tune" to choose settings, "report" for figures.
        count: instances.
        each: prompts of each of their tests at most; a question has few phrasings, so "DG_onlyQ" may have fewer.
        seed: of the draws.
    """
    rng = random.Random(f"attacks {split} {seed}")
    made: list[Instance] = []
    while len(made) < count:
        instance = _instance(rng, split, each, str(len(made)))
        if all(instance.tests.values()):
            made.append(instance)
    return made


def _instance(rng: random.Random, split: Split, each: int, name: str) -> Instance:
    own = _question(rng)
    attack = _attack(rng)
    while split_of(attack.around(own)) != "probe":
        own, attack = _question(rng), _attack(rng)

    def other_question() -> Question:
        return _drawn(lambda: _question(rng), lambda q: q.verb != own.verb and q.thing != own.thing)

    def other_attack() -> Attack:
        return _drawn(
            lambda: _attack(rng),
            lambda a: a.frame != attack.frame and a.role != attack.role and a.clause != attack.clause,
        )

    draws: dict[str, Callable[[], str]] = {
        "DG_onlyQ": lambda: _question(rng, own).text,
        "DG_otherA": lambda: other_attack().around(own),
        "DG_otherQ": lambda: attack.around(other_question()),
        "DG_otherAQ": lambda: other_attack().around(other_question()),
    }
    prompt = attack.around(own)
    tests = {name: _texts(draw, split, each) for name, draw in draws.items()}
    refusal, answer = rng.choice(chat.REFUSALS), rng.choice(chat.HARMFUL_ANSWERS)
    harmless = chat.exchanges(rng, "probe", "benign")
    contrast = ResponsePair(
        prompt,
        refusal.format(a=own.action),
        answer.format(a=own.action),
        ((harmless.request, harmless.answer),),
        own.text,
    )
    return Instance(contrast, own.text, {"DS": (prompt,), **tests}, own.verb, name)


def _question(rng: random.Random, like: Question | None = None) -> Question:
    """Return a question, or another phrasing of one."""
    verb = like.verb if like else rng.choice(list(chat.HARMFUL))
    thing = like.thing if like else rng.choice(chat.HARMFUL[verb].split("|"))
    return Question(verb, thing, rng.choice(chat.ASKS).format(a=f"{verb} {thing}", x=rng.choice(chat.EXTRAS)))


def _attack(rng: random.Random) -> Attack:
    return Attack(rng.choice(chat.WRAPS), rng.choice(chat.ROLES), rng.choice(chat.CLAUSES))


def _drawn(draw: Callable[[], T], fits: Callable[[T], bool]) -> T:
    """Return the first draw that fits; callers know that some do."""
    while not fits(found := draw()):
        pass
    return found


def _texts(draw: Callable[[], str], split: Split, count: int) -> tuple[str, ...]:
    """Return different texts of a split, as many as asked or as TRIES draws give."""
    found: dict[str, None] = {}
    for _ in range(TRIES):
        if split_of(text := draw()) == split:
            found[text] = None
        if len(found) == count:
            break
    return tuple(found)
