"""The patient's facts: countries, cities and people with relations between them, each said in six ways.

A fact is trained in four of its six phrasings, chosen per fact, so that a phrasing is always known from other facts
and never from this one: completing it is a real test of generalisation. A share of the chains of facts ("the sport of
the mayor of the capital of X") is never trained and tests composition.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ..text.tables import Tables
from .splits import split_of

SEED = 20
COUNTRIES, CITIES, PEOPLE = 24, 60, 90
TRAINED_PHRASINGS = 4  # of the six each relation has

TABLES = Tables.beside(__file__, "facts")
FIRST_NAMES = TABLES.texts("FIRST_NAMES")
LANGUAGES, CURRENCIES, DISHES = map(TABLES.texts, ("LANGUAGES", "CURRENCIES", "DISHES"))
SPORTS, JOBS, INSTRUMENTS = map(TABLES.texts, ("SPORTS", "JOBS", "INSTRUMENTS"))

SIX_WAYS = TABLES.grouped("SIX_WAYS")  # relation -> statements up to the answer
QUESTIONS = dict(TABLES.pairs("QUESTIONS"))  # relation -> question
CHAINS = {text: tuple(path.split()) for path, text in TABLES.pairs("CHAINS")}  # -> relations followed from the subject
LEAD_INS = TABLES.texts("LEAD_INS")


@dataclass(frozen=True)
class WorldFact:
    """One fact: `relation` of `subject` is `answer`; `trained` are the phrasings (0-5) the model has seen it in."""

    relation: str
    subject: str
    answer: str
    trained: tuple[int, ...]

    def prompt(self, phrasing: int) -> str:
        """Return the statement in one phrasing, up to where the answer begins."""
        return SIX_WAYS[self.relation][phrasing].format(s=self.subject)

    @property
    def unseen(self) -> tuple[int, ...]:
        """Phrasings this fact was never trained in."""
        return tuple(i for i in range(6) if i not in self.trained)

    def askable(self, phrasings: tuple[int, ...]) -> str:
        """Return the first of some phrasings that has only one right completion."""
        return self.prompt(next(i for i in phrasings if not ambiguous(self.relation, i)))


def ambiguous(relation: str, phrasing: int) -> bool:
    """Return whether a phrasing is also the beginning of another text: "X plays" (a sport), "X plays music on the" ..."""
    others = [way for name, ways in SIX_WAYS.items() if name != relation for way in ways]
    return any(other.startswith(f"{SIX_WAYS[relation][phrasing]} ") for other in (*others, *CHAINS))


@dataclass(frozen=True)
class Chain:
    """A composition of facts: `prompt` is completed by `answer`; `trained` says whether the model saw it."""

    prompt: str
    answer: str
    hops: int
    trained: bool


class World:
    """All facts and chains, the same in every process: drawn once from SEED.

    Attributes:
        facts: every single fact.
        chains: every composition.
        values: for each relation, all answers that occur in it (the valid objects of an edit).
    """

    def __init__(self) -> None:
        rng = random.Random(SEED)
        names = _names(rng)
        self.countries = [next(names) + rng.choice(("ia", "land", "ora", "stan")) for _ in range(COUNTRIES)]
        self.cities = [
            next(names) + rng.choice(("burg", "ton", "ville", "ford", "mouth", "dal")) for _ in range(CITIES)
        ]
        surnames = [next(names) + rng.choice(("ov", "sen", "elli", "mann", "ez", "ski")) for _ in range(PEOPLE)]
        self.people = [f"{rng.choice(FIRST_NAMES)} {surname}" for surname in surnames]
        country_of = {city: self.countries[i % COUNTRIES] for i, city in enumerate(self.cities)}
        table: list[tuple[str, str, str]] = []
        for i, country in enumerate(self.countries):
            table.append(("capital", country, self.cities[i]))
            table.append(("language", country, rng.choice(LANGUAGES)))
            table.append(("currency", country, rng.choice(CURRENCIES)))
        for i, city in enumerate(self.cities):
            table.append(("country", city, country_of[city]))
            table.append(("mayor", city, self.people[i]))
            table.append(("dish", city, rng.choice(DISHES)))
        for person in self.people:
            table.append(("sport", person, rng.choice(SPORTS)))
            table.append(("job", person, rng.choice(JOBS)))
            table.append(("instrument", person, rng.choice(INSTRUMENTS)))
        self.facts = [
            WorldFact(relation, subject, answer, tuple(sorted(rng.sample(range(6), TRAINED_PHRASINGS))))
            for relation, subject, answer in table
        ]
        self.values = {name: sorted({f.answer for f in self.facts if f.relation == name}) for name in SIX_WAYS}
        self.chains = list(self._chains())

    def _chains(self) -> Iterator[Chain]:
        answers = {(fact.relation, fact.subject): fact.answer for fact in self.facts}
        for text, relations in CHAINS.items():
            for subject in self.countries + self.cities:
                answer: str | None = subject
                for relation in relations:
                    answer = answers.get((relation, answer)) if answer else None
                if answer:
                    prompt = text.format(s=subject)
                    yield Chain(prompt, answer, len(relations), trained=split_of(prompt) == "train")


def statements(world: World, rng: random.Random) -> str:
    """Return a few trained statements of random facts, some with a lead-in."""
    sentences = []
    for _ in range(rng.randint(2, 4)):
        fact = rng.choice(world.facts)
        text = f"{fact.prompt(rng.choice(fact.trained))} {fact.answer}."
        sentences.append(f"{rng.choice(LEAD_INS)} {text}" if rng.random() < 0.2 else text)
    return " ".join(sentences)


def chain_statements(world: World, rng: random.Random) -> str:
    """Return a few trained compositions."""
    trained = [chain for chain in world.chains if chain.trained]
    return " ".join(f"{chain.prompt} {chain.answer}." for chain in rng.sample(trained, 2))


def question(world: World, rng: random.Random) -> tuple[str, str]:
    """Return a question about a fact and its answer; only questions of the train split."""
    while True:
        fact = rng.choice(world.facts)
        text = QUESTIONS[fact.relation].format(s=fact.subject)
        if split_of(text) == "train":
            return text, f"{fact.answer}."


def _names(rng: random.Random) -> Iterator[str]:
    """Yield made-up name stems, never the same twice, two or three syllables long."""
    onsets = "b br c d dr f g gr h j k kr l m n p pr r s st t tr v w z".split()
    vowels, ends = "a e i o u".split(), "l n r s m nd rk lt x v".split()
    stems: set[str] = set()
    while True:
        stem = "".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(rng.choice((1, 2)))) + rng.choice(ends)
        if stem not in stems and len(stem) > 3:
            stems.add(stem)
            yield stem.capitalize()
