"""Facts of the patient's world to rewrite: new objects that are valid answers, with all that should follow or stay."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..examples import Fact
from .facts import World, WorldFact, ambiguous
from .splits import split_of

NEIGHBOURS = 5  # other subjects of the same relation


@dataclass(frozen=True)
class Rewrite:
    """A fact with a new object, and other facts about its subject (prompt, answer) that should stay."""

    fact: Fact
    relation: str
    others: tuple[tuple[str, str], ...]


def rewrites(count: int, *, tuning: bool = False, seed: int = 0) -> list[Rewrite]:
    """Return facts to rewrite, no two about one subject.

    The prompt is a phrasing the fact was trained in; the paraphrases are all other phrasings of its relation.

    Args:
        count: how many (fewer where the world has fewer).
        tuning: facts on which settings are chosen; the others are for figures.
        seed: of the choice.
    """
    world, rng = World(), random.Random(seed)
    pool = [f for f in world.facts if (split_of(f"{f.relation} {f.subject}") == "tune") == tuning]
    rng.shuffle(pool)
    subjects: dict[str, WorldFact] = {}
    for fact in pool:
        subjects.setdefault(fact.subject, fact)
    return [_rewritten(world, fact, rng) for fact in list(subjects.values())[:count]]


def _rewritten(world: World, fact: WorldFact, rng: random.Random) -> Rewrite:
    clear = [i for i in range(6) if not ambiguous(fact.relation, i)]
    same = [f for f in world.facts if f.relation == fact.relation and f.subject != fact.subject]
    target = rng.choice(sorted({f.answer for f in same} - {fact.answer}))
    asked = rng.choice([i for i in fact.trained if i in clear])
    near = tuple((f.askable(f.trained), f.answer) for f in rng.sample(same, NEIGHBOURS))
    others = [f for f in world.facts if f.subject == fact.subject and f.relation != fact.relation]
    made = Fact(
        fact.prompt(asked),
        fact.subject,
        target,
        fact.answer,
        tuple(fact.prompt(i) for i in clear if i != asked),
        near,
    )
    return Rewrite(made, fact.relation, tuple((f.askable(f.trained), f.answer) for f in others))
