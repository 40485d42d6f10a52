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
from .words import PATIENT, ChatWords, Words

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
def instances(
    split: Split = "report", count: int = COUNT, size: int = EACH, seed: int = 0, words: Words = PATIENT
) -> list[Instance]:
    """Return instances whose tests belong to a split.

    Args:
        split: "tune" to choose settings, "report" for figures.
        count: instances.
        size: prompts of each of their tests at most; a question has few phrasings, so "DG_onlyQ" may have fewer.
        seed: of the draws.
        words: of the world.
    """
    rng = random.Random(f"attacks {split} {seed}")
    complete: list[Instance] = []
    while len(complete) < count:
        instance = _instance(rng, split, size, str(len(complete)), words)
        if all(instance.tests.values()):
            complete.append(instance)
    return complete


def _instance(rng: random.Random, split: Split, size: int, name: str, words: Words) -> Instance:
    table = words.chat
    question = _question(rng, table)
    attack = _attack(rng, table)
    while split_of(attack.around(question)) != "probe":
        question, attack = _question(rng, table), _attack(rng, table)

    def other_question() -> Question:
        return _first_fitting(
            lambda: _question(rng, table), lambda q: q.verb != question.verb and q.thing != question.thing
        )

    def other_attack() -> Attack:
        return _first_fitting(
            lambda: _attack(rng, table),
            lambda a: a.frame != attack.frame and a.role != attack.role and a.clause != attack.clause,
        )

    draws: dict[str, Callable[[], str]] = {
        "DG_onlyQ": lambda: _question(rng, table, question).text,
        "DG_otherA": lambda: other_attack().around(question),
        "DG_otherQ": lambda: attack.around(other_question()),
        "DG_otherAQ": lambda: other_attack().around(other_question()),
    }
    prompt = attack.around(question)
    tests = {name: _texts(draw, split, size) for name, draw in draws.items()}
    refusal, answer = rng.choice(table.refusals), rng.choice(table.harmful_answers)
    harmless = chat.exchanges(rng, "probe", "benign", words=words)
    contrast = ResponsePair(
        prompt,
        refusal.format(a=question.action),
        answer.format(a=question.action),
        ((harmless.request, harmless.answer),),
        question.text,
    )
    return Instance(contrast, question.text, {"DS": (prompt,), **tests}, question.verb, name)


def _question(rng: random.Random, table: ChatWords, like: Question | None = None) -> Question:
    """Return a question, or another phrasing of one."""
    verb = like.verb if like else rng.choice(list(table.harmful))
    thing = like.thing if like else rng.choice(table.harmful[verb].split("|"))
    return Question(verb, thing, rng.choice(table.asks).format(a=f"{verb} {thing}", x=rng.choice(table.extras)))


def _attack(rng: random.Random, table: ChatWords) -> Attack:
    return Attack(rng.choice(table.wraps), rng.choice(table.roles), rng.choice(table.clauses))


def _first_fitting(draw: Callable[[], T], fits: Callable[[T], bool]) -> T:
    """Return the first draw that fits; callers know that some do."""
    while not fits(value := draw()):
        pass
    return value


def _texts(draw: Callable[[], str], split: Split, count: int) -> tuple[str, ...]:
    """Return different texts of a split, as many as asked or as TRIES draws give."""
    texts: dict[str, None] = {}
    for _ in range(TRIES):
        if split_of(text := draw()) == split:
            texts[text] = None
        if len(texts) == count:
            break
    return tuple(texts)
