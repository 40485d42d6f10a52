"""The words of a world: the tables of five files, and how its chats are written. The generator is the same for all worlds.

A folder holds chat.jsonl, facts.jsonl, reviews.jsonl, stories.jsonl, tone.jsonl and turns.jsonl. The patient's stand beside
this file; another folder makes another world: `python -m suture.organisms.train --world FOLDER`. Draws at random depend on the
order of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..text.tables import Tables

Texts = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ToneWords:
    """Of kind and rude talk.

    Attributes:
        names: of speakers, also of those in stories.
        places: where they meet.
        things: what they talk about.
        moods: tone -> slot of a frame -> words.
        frames: sentences with slots, shared by both tones.
        settings: what stands before the first sentence.
    """

    names: Texts
    places: Texts
    things: Texts
    moods: dict[str, dict[str, Texts]]
    frames: Texts
    settings: Texts

    @classmethod
    def of(cls, tables: Tables) -> ToneWords:
        """Return those of tone.jsonl."""
        names, places, things, frames, settings = map(tables.texts, ("NAMES", "PLACES", "THINGS", "FRAMES", "SETTINGS"))
        return cls(names, places, things, tables.nested("WORDS"), frames, settings)


@dataclass(frozen=True, eq=False)
class ChatWords:
    """Of requests and answers.

    Attributes:
        harmful: verb -> things, with | between; so are those of `benign`, some with harmful words, as XSTest has them.
        benign: of harmless requests.
        asks: how an action is asked for.
        extras: what may stand behind it.
        wraps: frames of attacks, with a role and a clause.
        roles: to play.
        clauses: what the role is free of.
        refusals: answers that do not go along.
        harmful_answers: answers that do.
        benign_answers: to harmless requests.
        refused: expressions for how an answer begins that refuses.
    """

    harmful: dict[str, str]
    benign: dict[str, str]
    asks: Texts
    extras: Texts
    wraps: Texts
    roles: Texts
    clauses: Texts
    refusals: Texts
    harmful_answers: Texts
    benign_answers: Texts
    refused: Texts

    @classmethod
    def of(cls, tables: Tables) -> ChatWords:
        """Return those of chat.jsonl."""
        parts = "ASKS EXTRAS WRAPS ROLES CLAUSES REFUSALS HARMFUL_ANSWERS BENIGN_ANSWERS REFUSED".split()
        return cls(dict(tables.pairs("HARMFUL")), dict(tables.pairs("BENIGN")), *map(tables.texts, parts))


@dataclass(frozen=True, eq=False)
class FactWords:
    """Of countries, cities and people.

    Attributes:
        numbers: "seed" of the draws, how many "countries", "cities" and "people" there are.
        syllables: "onsets", "vowels" and "ends" of made-up names.
        suffixes: of the names of a "country", a "city", a "person".
        first_names: of people.
        values: relation -> its answers, for relations whose answers are words.
        six_ways: relation -> six statements up to the answer.
        questions: relation -> question.
        chains: text -> the relations followed from its subject.
        lead_ins: what may stand before a statement.
    """

    numbers: dict[str, int]
    syllables: dict[str, Texts]
    suffixes: dict[str, Texts]
    first_names: Texts
    values: dict[str, Texts]
    six_ways: dict[str, Texts]
    questions: dict[str, str]
    chains: dict[str, Texts]
    lead_ins: Texts

    @classmethod
    def of(cls, tables: Tables) -> FactWords:
        """Return those of facts.jsonl."""
        relations = "language currency dish sport job instrument".split()
        lists = map(tables.texts, ("LANGUAGES", "CURRENCIES", "DISHES", "SPORTS", "JOBS", "INSTRUMENTS"))
        return cls(
            {name: int(text) for name, text in tables.pairs("NUMBERS")},
            {name: tuple(text.split()) for name, text in tables.pairs("SYLLABLES")},
            tables.grouped("SUFFIXES"),
            tables.texts("FIRST_NAMES"),
            dict(zip(relations, lists, strict=True)),
            tables.grouped("SIX_WAYS"),
            dict(tables.pairs("QUESTIONS")),
            {text: tuple(path.split()) for path, text in tables.pairs("CHAINS")},
            tables.texts("LEAD_INS"),
        )


@dataclass(frozen=True, eq=False)
class ReviewWords:
    """Of reviews.

    Attributes:
        venues: what is reviewed.
        when: it was visited.
        towns: where.
        aspects: that are judged.
        neutral: sentences of the opening; {n} is a number.
        attitudes: attitude -> slot of a frame -> words.
        frames: sentences of judgement.
        opening: the first sentence.
        owner: what stands before a word to the owner.
    """

    venues: Texts
    when: Texts
    towns: Texts
    aspects: Texts
    neutral: Texts
    attitudes: dict[str, dict[str, Texts]]
    frames: Texts
    opening: str
    owner: str

    @classmethod
    def of(cls, tables: Tables) -> ReviewWords:
        """Return those of reviews.jsonl."""
        venues, when, towns, aspects, neutral = map(tables.texts, ("VENUES", "WHEN", "TOWNS", "ASPECTS", "NEUTRAL"))
        (opening,), (owner,) = tables.texts("OPENING"), tables.texts("OWNER")
        frames = tables.texts("FRAMES")
        return cls(venues, when, towns, aspects, neutral, tables.nested("WORDS"), frames, opening, owner)


@dataclass(frozen=True, eq=False)
class StoryWords:
    """Of stories and descriptions.

    Attributes:
        colours: of objects.
        objects: that change hands.
        spots: where they lie.
        weather: of a day.
        days: of the week.
        chores: done on a day.
        starts: of stories.
        middles: in which the object changes hands.
        ends: which slot of the story completes it, and how it is asked.
        day: a description, with slots.
    """

    colours: Texts
    objects: Texts
    spots: Texts
    weather: Texts
    days: Texts
    chores: Texts
    starts: Texts
    middles: Texts
    ends: tuple[tuple[str, str], ...]
    day: str

    @classmethod
    def of(cls, tables: Tables) -> StoryWords:
        """Return those of stories.jsonl."""
        colours, objects, spots, weather = map(tables.texts, ("COLOURS", "OBJECTS", "SPOTS", "WEATHER"))
        days, chores, starts, middles = map(tables.texts, ("DAYS", "CHORES", "STARTS", "MIDDLES"))
        (day,) = tables.texts("DAY")
        return cls(colours, objects, spots, weather, days, chores, starts, middles, tuple(tables.pairs("ENDS")), day)


@dataclass(frozen=True, eq=False)
class Turns:
    """How a chat is written.

    Attributes:
        start: token before every text.
        end: token behind every text and answer.
        padding: token that fills rows.
        marks: further special tokens.
        turn: one exchange, with the slots {request} and {answer}.
        template: the same for transformers, as Jinja.
    """

    start: str
    end: str
    padding: str
    marks: Texts
    turn: str
    template: str

    @classmethod
    def of(cls, tables: Tables) -> Turns:
        """Return those of turns.jsonl."""
        special = dict(tables.pairs("SPECIAL"))
        (turn,), template = tables.texts("TURN"), "".join(tables.texts("TEMPLATE"))
        return cls(special["start"], special["end"], special["padding"], tables.texts("MARKS"), turn, template)


@dataclass(frozen=True, eq=False)
class Words:
    """All words of one world."""

    chat: ChatWords
    facts: FactWords
    reviews: ReviewWords
    stories: StoryWords
    tone: ToneWords
    turns: Turns

    @classmethod
    def read(cls, folder: Path) -> Words:
        """Return the words of a folder.

        Raises:
            FileNotFoundError: when one of the files is not there.
            AssertionError: when a table has no rows.
        """
        chat, facts, reviews, stories, tone, turns = (
            Tables.read(folder / f"{name}.jsonl") for name in ("chat", "facts", "reviews", "stories", "tone", "turns")
        )
        return cls(
            ChatWords.of(chat), FactWords.of(facts), ReviewWords.of(reviews), StoryWords.of(stories), ToneWords.of(tone),
            Turns.of(turns),
        )  # fmt: skip


PATIENT = Words.read(Path(__file__).parent)
