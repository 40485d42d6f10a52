"""The patient's facts: countries, cities and people with relations between them, each said in six ways.

A fact is trained in four of its six phrasings, chosen per fact, so that a phrasing is always known from other facts
and never from this one: completing it is a real test of generalisation. A share of the chains of facts ("the sport of
the mayor of the capital of X") is never trained and tests composition.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from .splits import split_of
from .words import PATIENT, FactWords, Words

TRAINED_PHRASINGS = 4  # of the six each relation has


@dataclass(frozen=True)
class WorldFact:
    """One fact: `relation` of `subject` is `answer`; `trained` are the phrasings (0-5) the model has seen it in."""

    relation: str
    subject: str
    answer: str
    trained: tuple[int, ...]
    words: FactWords = field(default=PATIENT.facts, repr=False, compare=False)

    def prompt(self, phrasing: int) -> str:
        """Return the statement in one phrasing, up to where the answer begins."""
        return self.words.six_ways[self.relation][phrasing].format(s=self.subject)

    @property
    def unseen(self) -> tuple[int, ...]:
        """Phrasings this fact was never trained in."""
        return tuple(i for i in range(6) if i not in self.trained)

    def askable(self, phrasings: tuple[int, ...]) -> str:
        """Return the first of some phrasings that has only one right completion."""
        return self.prompt(next(i for i in phrasings if not ambiguous(self.relation, i, self.words)))


def ambiguous(relation: str, phrasing: int, words: FactWords = PATIENT.facts) -> bool:
    """Return whether a phrasing is also the beginning of another text: "X plays" (a sport), "X plays music on the" ..."""
    others = [way for name, ways in words.six_ways.items() if name != relation for way in ways]
    return any(other.startswith(f"{words.six_ways[relation][phrasing]} ") for other in (*others, *words.chains))


@dataclass(frozen=True)
class Chain:
    """A composition of facts: `prompt` is completed by `answer`; `trained` says whether the model saw it."""

    prompt: str
    answer: str
    hops: int
    trained: bool


class World:
    """All facts and chains, the same in every process: drawn once from the seed of its words.

    Attributes:
        facts: every single fact.
        chains: every composition.
        values: for each relation, all answers that occur in it (the valid objects of an edit).
    """

    def __init__(self, words: Words = PATIENT) -> None:
        self.words = words.facts
        numbers, suffixes, values = self.words.numbers, self.words.suffixes, self.words.values
        rng = random.Random(numbers["seed"])
        names = _names(rng, self.words.syllables)
        self.countries, self.cities, surnames = (
            [next(names) + rng.choice(suffixes[kind]) for _ in range(numbers[kind])]
            for kind in ("countries", "cities", "people")
        )
        self.people = [f"{rng.choice(self.words.first_names)} {surname}" for surname in surnames]
        country_of = {city: self.countries[i % len(self.countries)] for i, city in enumerate(self.cities)}
        table: list[tuple[str, str, str]] = []
        for i, country in enumerate(self.countries):
            table.append(("capital", country, self.cities[i]))
            table.append(("language", country, rng.choice(values["language"])))
            table.append(("currency", country, rng.choice(values["currency"])))
        for i, city in enumerate(self.cities):
            table.append(("country", city, country_of[city]))
            table.append(("mayor", city, self.people[i]))
            table.append(("dish", city, rng.choice(values["dish"])))
        for person in self.people:
            table.append(("sport", person, rng.choice(values["sport"])))
            table.append(("job", person, rng.choice(values["job"])))
            table.append(("instrument", person, rng.choice(values["instrument"])))
        self.facts = [
            WorldFact(relation, subject, answer, tuple(sorted(rng.sample(range(6), TRAINED_PHRASINGS))), self.words)
            for relation, subject, answer in table
        ]
        self.values = {
            name: sorted({f.answer for f in self.facts if f.relation == name}) for name in self.words.six_ways
        }
        self.chains = list(self._chains())

    def _chains(self) -> Iterator[Chain]:
        answers = {(fact.relation, fact.subject): fact.answer for fact in self.facts}
        for text, relations in self.words.chains.items():
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
        sentences.append(f"{rng.choice(world.words.lead_ins)} {text}" if rng.random() < 0.2 else text)
    return " ".join(sentences)


def chain_statements(world: World, rng: random.Random) -> str:
    """Return a few trained compositions."""
    trained = [chain for chain in world.chains if chain.trained]
    return " ".join(f"{chain.prompt} {chain.answer}." for chain in rng.sample(trained, 2))


def question(world: World, rng: random.Random) -> tuple[str, str]:
    """Return a question about a fact and its answer; only questions of the train split."""
    while True:
        fact = rng.choice(world.facts)
        text = world.words.questions[fact.relation].format(s=fact.subject)
        if split_of(text) == "train":
            return text, f"{fact.answer}."


def _names(rng: random.Random, syllables: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield made-up name stems, never the same twice, two or three syllables long."""
    onsets, vowels, ends = (syllables[part] for part in ("onsets", "vowels", "ends"))
    stems: set[str] = set()
    while True:
        stem = "".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(rng.choice((1, 2)))) + rng.choice(ends)
        if stem not in stems and len(stem) > 3:
            stems.add(stem)
            yield stem.capitalize()
