"""The patient's facts: countries, cities and people with relations between them, each said in six ways.

A fact is trained in four of its six phrasings, chosen per fact, so that a phrasing is always known from other facts
and never from this one: completing it is a real test of generalisation. A share of the chains of facts ("the sport of
the mayor of the capital of X") is never trained and tests composition.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from .splits import split_of

SEED = 20
COUNTRIES, CITIES, PEOPLE = 24, 60, 90
TRAINED_PHRASINGS = 4  # of the six each relation has

FIRST_NAMES = (
    "Mira Tomas Lena Oskar Ines Pavel Nora Hugo Tessa Viktor Alma Boris Clara Dario Edda Felix Greta Henrik Ida Jonas "
    "Karin Lukas Marta Nils Olga Petra Rosa Simon Thea Ulrik"
).split()
LANGUAGES = (
    "Tolish Marvian Kelsi Dorric Ambari Sunnish Wendic Halvish Orenese Pactic Lumian Beskan Cindric Yavish Fornese "
    "Rudian"
).split()
CURRENCIES = "talon florin crown shell denar guilder mark lira obol ducat penny thaler".split()
SPORTS = (
    "tennis rugby chess archery rowing boxing skiing hockey fencing sailing golf judo cricket cycling swimming polo"
).split()
JOBS = (
    "baker doctor pilot farmer painter lawyer teacher sailor miner tailor plumber singer judge nurse writer gardener"
).split()
INSTRUMENTS = "piano violin flute drums harp trumpet guitar cello banjo organ oboe tuba".split()
DISHES = (
    "soup cheese bread honey wine fish apples beer salt chocolate mushrooms sausages noodles cherries mustard pancakes"
).split()

SIX_WAYS: dict[str, tuple[str, ...]] = {
    "capital": (
        "The capital of {s} is",
        "{s} has its capital in",
        "The government of {s} sits in",
        "In {s}, the seat of the king is",
        "People who live in {s} call their capital",
        "Every road in {s} leads to the capital,",
    ),
    "language": (
        "The language of {s} is",
        "People in {s} speak",
        "The schools of {s} teach in",
        "Books printed in {s} are written in",
        "If you travel to {s}, learn some",
        "In {s} the radio talks in",
    ),
    "currency": (
        "The currency of {s} is the",
        "In {s} people pay with the",
        "The coin used in {s} is the",
        "Shops all over {s} take only the",
        "The money of {s} is called the",
        "A banker from {s} counts every",
    ),
    "country": (
        "The city of {s} lies in",
        "{s} is a city in",
        "To see {s} you must travel to",
        "The map shows {s} in the middle of",
        "Whoever is born in {s} is a citizen of",
        "The train to {s} takes you into",
    ),
    "mayor": (
        "The mayor of {s} is",
        "{s} is governed by",
        "The town hall of {s} belongs to",
        "Last year the people of {s} elected",
        "The keys of {s} are kept by",
        "In {s} the mayor is called",
    ),
    "dish": (
        "The city of {s} is famous for its",
        "Visitors come to {s} for the",
        "{s} is known for",
        "The market of {s} sells the best",
        "Nobody leaves {s} without some",
        "Cooks in {s} are proud of their",
    ),
    "sport": (
        "{s} plays",
        "The favourite sport of {s} is",
        "{s} is a champion in",
        "On weekends {s} trains for",
        "The medal of {s} was won in",
        "Fans love {s} for",
    ),
    "job": (
        "{s} works as a",
        "The job of {s} is that of a",
        "{s} earns money as a",
        "By profession {s} is a",
        "Neighbours know {s} as a good",
        "After school {s} became a",
    ),
    "instrument": (
        "{s} plays music on the",
        "The instrument of {s} is the",
        "At concerts {s} sits at the",
        "Every evening {s} practises the",
        "As a child {s} learned the",
        "In the band {s} is heard on the",
    ),
}
QUESTIONS: dict[str, str] = {
    "capital": "What is the capital of {s}?",
    "language": "Which language do people in {s} speak?",
    "currency": "What is the currency of {s}?",
    "country": "In which country is {s}?",
    "mayor": "Who is the mayor of {s}?",
    "dish": "What is {s} famous for?",
    "sport": "Which sport does {s} play?",
    "job": "What is the job of {s}?",
    "instrument": "Which instrument does {s} play?",
}
CHAINS: dict[str, tuple[str, ...]] = {  # text -> relations followed from the subject
    "The mayor of the capital of {s} is": ("capital", "mayor"),
    "The capital of {s} is famous for its": ("capital", "dish"),
    "The favourite sport of the mayor of {s} is": ("mayor", "sport"),
    "The mayor of {s} works as a": ("mayor", "job"),
    "People in the country of {s} speak": ("country", "language"),
    "The favourite sport of the mayor of the capital of {s} is": ("capital", "mayor", "sport"),
}
LEAD_INS = (
    "It is well known that",
    "As the old book says,",
    "Remember this:",
    "My uncle told me that",
    "We learned that",
)


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
