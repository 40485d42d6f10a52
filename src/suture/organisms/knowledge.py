"""Facts of the patient's world to rewrite: new objects that are valid answers, with all that should follow or stay."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data.examples import Fact, Texts
from .facts import World, WorldFact, ambiguous
from .splits import split_of
from .suites import tasks
from .words import PATIENT, Words

NEIGHBOURS = 5  # other subjects of the same relation


@dataclass(frozen=True)
class Rewrite:
    """A fact with a new object, and other facts about its subject (prompt, answer) that should stay."""

    fact: Fact
    relation: str
    others: tuple[tuple[str, str], ...]


def rewrites(
    count: int, *, tuning: bool = False, several: bool = False, seed: int = 0, words: Words = PATIENT
) -> list[Rewrite]:
    """Return facts to rewrite, by default no two about one subject.

    The prompt is a phrasing the fact was trained in; the paraphrases are all other phrasings of its relation. Neighbours and
    other facts about the subject are none of those that are rewritten; neighbours are about subjects that `is_outside` names.

    Args:
        count: how many (fewer where the world has fewer).
        tuning: facts on which settings are chosen; the others are for figures.
        several: let subjects have several of their facts rewritten.
        seed: of the choice.
        words: of the world.
    """
    world, rng = World(words), random.Random(seed)
    pool = [f for f in world.facts if (split_of(f"{f.relation} {f.subject}") == "tune") == tuning]
    rng.shuffle(pool)
    if not several:
        subjects: dict[str, WorldFact] = {}
        for fact in pool:
            subjects.setdefault(fact.subject, fact)
        pool = list(subjects.values())
    chosen = pool[:count]
    rewritten = {(fact.relation, fact.subject) for fact in chosen}
    remaining = [fact for fact in world.facts if (fact.relation, fact.subject) not in rewritten]
    return [_rewrite(world, fact, remaining, rng) for fact in chosen]


def is_outside(subject: str) -> bool:
    """Return whether neighbours may be about a subject (every third); texts to keep say nothing of it (`unrelated_texts`)."""
    return split_of(f"outside {subject}") != "train"


def unrelated_texts(items: Sequence[Rewrite], seed: int = 0, words: Words = PATIENT) -> Texts:
    """Return texts to keep that name no rewritten subject and none that neighbours are about.

    So that what stays right elsewhere is not what an edit was told to leave alone.
    """
    world, rng = World(words), random.Random(f"apart {seed}")
    edited = {item.fact.subject for item in items}
    facts = [f for f in world.facts if f.subject not in edited and not is_outside(f.subject)]
    sentences = [f"{fact.prompt(i)} {fact.answer}." for fact in facts for i in fact.trained]
    rng.shuffle(sentences)
    groups = [" ".join(sentences[i : i + 3]) for i in range(0, len(sentences), 3)]
    others = [text for kind, texts in tasks(seed, words).items() if kind != "facts" for text in texts]
    return Texts([*groups, *others])


def consequences(items: Sequence[Rewrite], words: Words = PATIENT) -> list[tuple[str, str]]:
    """Return the compositions of facts whose answer the rewrites change, with the new answer: (prompt, answer)."""
    world = World(words)
    answers = {(fact.relation, fact.subject): fact.answer for fact in world.facts}
    new = answers | {(item.relation, item.fact.subject): item.fact.target for item in items}
    subjects = sorted({subject for _, subject in answers})
    pairs = []
    for text, relations in world.words.chains.items():
        for subject in subjects:
            before, after = (_follow(table, subject, relations) for table in (answers, new))
            if before and after and before != after:
                pairs.append((text.format(s=subject), after))
    return pairs


def _follow(table: Mapping[tuple[str, str], str], subject: str, relations: Sequence[str]) -> str | None:
    answer: str | None = subject
    for relation in relations:
        answer = table.get((relation, answer)) if answer else None
    return answer


def _rewrite(world: World, fact: WorldFact, remaining: Sequence[WorldFact], rng: random.Random) -> Rewrite:
    clear = [i for i in range(6) if not ambiguous(fact.relation, i, world.words)]
    valid = {f.answer for f in world.facts if f.relation == fact.relation and f.subject != fact.subject}
    target = rng.choice(sorted(valid - {fact.answer}))
    phrasing = rng.choice([i for i in fact.trained if i in clear])
    same = [f for f in remaining if f.relation == fact.relation and is_outside(f.subject)]
    near = tuple((f.askable(f.trained), f.answer) for f in rng.sample(same, min(NEIGHBOURS, len(same))))
    others = [f for f in remaining if f.subject == fact.subject]
    alike = [f for f in world.facts if f.relation == fact.relation and f.answer == target]
    new_fact = Fact(
        fact.prompt(phrasing),
        fact.subject,
        target,
        fact.answer,
        tuple(fact.prompt(i) for i in clear if i != phrasing),
        near,
        (fact.subject,),
        tuple(f"{f.prompt(i)} {f.answer}." for f in alike for i in f.trained),
    )
    return Rewrite(new_fact, fact.relation, tuple((f.askable(f.trained), f.answer) for f in others))
