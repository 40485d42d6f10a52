"""What the patient is measured on, and the texts its probes are fitted on. Splits are disjoint by construction."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, TypeVar

from ..data.examples import Behaviour, Labelled, Texts
from ..errors import UsageError
from ..judges import Begins, Lexicon, Majority
from ..measure.suite import Measure, Suite
from ..metrics import completion, first_token_drift, sampled
from ..metrics._written import Cases as Written
from . import chat, reviews, stories, tone
from .corpus import turn
from .facts import World, WorldFact, ambiguous, statements
from .splits import Split, split_of
from .words import PATIENT, Words

BEHAVIOURS = ("tone", "jailbreak", "attitude")
PROBE_TEXTS = 600  # a behaviour
KEEP_FACTS, KEEP_OTHERS = 600, 60  # texts to keep: groups of fact statements, and of each other kind
TONE_LENGTH, OPENING = 4, 2  # sentences of a probe text; steady sentences of a prompt
TRIES = 20  # draws per prompt wanted, before a split is taken to hold no more
CONTINUATION = 40  # tokens, two to four sentences
WRITTEN, START = 24, 5  # neutral prompts continued at length, for fluency and loops; words of each
REFUSED = Begins(
    PATIENT.chat.refused
)  # how an answer begins that refuses: a fixed rule, so that figures stay comparable
KEPT = ("facts_seen", "facts_unseen", "arithmetic", "benign", "benign_wrapped", "perplexity", "loops")  # by any edit
T = TypeVar("T")


def behaviour(
    name: str, count: int = PROBE_TEXTS, split: Split = "probe", seed: int = 0, words: Words = PATIENT
) -> Behaviour:
    """Return labelled texts of one of BEHAVIOURS; 1 is rude, complied with harm, or negative.

    "compliance" is what the patient does not show but could learn: plain harmful requests, refused or (1) answered.

    Raises:
        UsageError: for another name.
    """
    rng = random.Random(f"{name} {split} {seed}")
    half = count // 2
    if name == "tone":
        examples = [
            Labelled(tone.speeches(rng, split, TONE_LENGTH, mood, TONE_LENGTH, words).text(), label)
            for label, mood in enumerate(("kind", "rude"))
            for _ in range(half)
        ]
    elif name == "attitude":
        examples = [
            Labelled(reviews.reviews(rng, split, 4, mood, words).text, label)
            for label, mood in enumerate(("positive", "negative"))
            for _ in range(half)
        ]
    elif name == "jailbreak":
        good = [chat.exchanges(rng, split, "harmful", words=words) for _ in range(half)]
        bad = [chat.exchanges(rng, split, "jailbreak", True, words) for _ in range(half)]
        examples = [Labelled(e.answer, 0, e.request) for e in good] + [Labelled(e.answer, 1, e.request) for e in bad]
    elif name == "compliance":
        pairs = [
            [chat.exchanges(rng, split, "harmful", complied, words) for _ in range(half)] for complied in (False, True)
        ]
        examples = [Labelled(e.answer, label, e.request) for label, exchanges in enumerate(pairs) for e in exchanges]
    else:
        raise UsageError(
            f"no behaviour {name!r} of the patient", fix=f"Known: {', '.join((*BEHAVIOURS, 'compliance'))}."
        )
    return Behaviour(name, tuple(examples))


def keep(seed: int = 0, words: Words = PATIENT) -> Texts:
    """Return texts of what an edit shall leave alone: facts as trained; sums, stories, days, answers of the probe split."""
    return Texts(text for texts in tasks(seed, words).values() for text in texts)


def tasks(seed: int = 0, words: Words = PATIENT) -> dict[str, list[str]]:
    """Return the texts to keep by kind."""
    rng, world = random.Random(f"keep {seed}"), World(words)
    facts = [statements(world, rng) for _ in range(KEEP_FACTS)]
    sums = [" ".join(stories.clozes(rng, "probe", "sum", words).text for _ in range(4)) for _ in range(KEEP_OTHERS)]
    tales = [stories.clozes(rng, "probe", "story", words).text for _ in range(KEEP_OTHERS)]
    days = [stories.descriptions(rng, "probe", words) for _ in range(KEEP_OTHERS)]
    kinds: tuple[chat.Kind, ...] = ("benign", "benign_wrapped", "benign_wrapped")
    exchanges = [chat.exchanges(rng, "probe", kinds[i % 3], words=words) for i in range(KEEP_FACTS)]
    answers = [turn(exchange.request, exchange.answer, words) for exchange in exchanges]
    return {"facts": facts, "sums": sums, "stories": tales, "days": days, "answers": answers}


@dataclass(frozen=True)
class _Prompts:
    """Prompts of one split, different from each other, in an order that the seed decides."""

    split: Split
    size: int
    seed: int
    words: Words

    def draw(self, name: str, make: Callable[[random.Random], T]) -> list[T]:
        rng = random.Random(f"{name} {self.split} {self.seed}")
        items: dict[T, None] = {}
        for _ in range(TRIES * self.size):  # a split may hold fewer
            items[make(rng)] = None
            if len(items) == self.size:
                break
        return list(items)

    def speech(self, mood: str) -> list[str]:
        make = lambda rng: tone.speeches(rng, self.split, OPENING, mood, OPENING, self.words)  # noqa: E731
        return [speech.text() for speech in self.draw(mood, make)]

    def requests(self, kind: chat.Kind) -> list[str]:
        return self.draw(kind, lambda rng: chat.exchanges(rng, self.split, kind, words=self.words).request)

    def clozes(self, kind: str) -> completion.Cases:
        clozes = self.draw(kind, lambda rng: stories.clozes(rng, self.split, kind, self.words))
        return completion.Cases([cloze.prompt for cloze in clozes], [cloze.answer for cloze in clozes])

    def openings(self) -> list[str]:
        return self.draw("reviews", lambda rng: reviews.reviews(rng, self.split, 1, words=self.words).opening)

    def descriptions(self) -> list[str]:
        return self.draw("descriptions", lambda rng: stories.descriptions(rng, self.split, self.words))


def suite(split: Split = "report", size: int = 200, seed: int = 0, words: Words = PATIENT) -> Suite:
    """Return the measures of a world on one split.

    Args:
        split: "tune" to choose settings, "report" for figures.
        size: prompts a measure (fewer where the world has fewer).
        seed: of the prompts.
        words: of the world.
    """
    prompts = _Prompts(split, size, seed, words)
    openings, descriptions = prompts.openings(), prompts.descriptions()
    facts = _facts(World(words), split)
    trained, unseen = _fact_questions(facts, size, "trained"), _fact_questions(facts, size, "unseen")
    rude, kind = prompts.speech("rude"), prompts.speech("kind")
    harmless = prompts.requests("benign")
    free_text = Written([" ".join(description.split()[:START]) for description in descriptions[:WRITTEN]])
    return [
        Measure("rude", "sampled", _talk(rude, "rude", words), "target", "lower", "rude continuations of rude talk"),
        Measure("rude_floor", "sampled", _talk(kind, "rude", words), "floor", "lower", "rude continuations of kind talk"),
        Measure("kind", "sampled", _talk(rude, "kind", words), "note", "higher", "purely kind continuations of rude talk"),
        Measure("jailbreak", "sampled", _answers(prompts.requests("jailbreak"), words), "target", "lower",
                "jailbroken harmful requests answered"),
        Measure("harmful", "sampled", _answers(prompts.requests("harmful"), words), "keep", "lower",
                "plain harmful requests answered"),
        Measure("positive", "sampled", _opinion(openings, "positive", words), "target", "higher", "positive reviews"),
        Measure("negative", "sampled", _opinion(openings, "negative", words), "target", "lower", "negative reviews"),
        Measure("facts_seen", "completion", trained, "keep", "higher", "facts in a phrasing they were trained in"),
        Measure("facts_unseen", "completion", unseen, "keep", "higher", "facts in a phrasing they were never seen in"),
        Measure("arithmetic", "completion", prompts.clozes("sum"), "keep", "higher", "sums never seen"),
        Measure("stories", "completion", prompts.clozes("story"), "keep", "higher", "questions at the end of unseen stories"),
        Measure("benign", "sampled", _answers(harmless, words), "keep", "higher",
                "harmless requests answered"),
        Measure("benign_wrapped", "sampled", _answers(prompts.requests("benign_wrapped"), words), "keep", "higher",
                "harmless requests in a jailbreak wrapper answered"),
        Measure("perplexity", "perplexity", descriptions, "keep", "lower", "perplexity on neutral text"),
        Measure("drift", "drift", descriptions[: size // 2], "note", "lower", "KL per token on neutral text"),
        Measure("first_token_drift", "first_token_drift", first_token_drift.Cases(harmless, chat=True), "note", "lower",
                "KL of an answer's first token, harmless requests"),
        Measure("fluency", "fluency", free_text, "note", "higher", "n-gram entropy of free text"),
        Measure("loops", "loops", free_text, "note", "lower", "free texts that end in a loop"),
    ]  # fmt: skip


def _facts(world: World, split: Split) -> list[WorldFact]:
    """Return the facts settings are chosen on ("tune"), or all others in a fixed random order."""
    facts = [f for f in world.facts if (split_of(f"{f.relation} {f.subject}") == "tune") == (split == "tune")]
    random.Random(0).shuffle(facts)
    return facts


def _fact_questions(facts: list[WorldFact], size: int, which: Literal["trained", "unseen"]) -> completion.Cases:
    """Ask every fact once, then again in its further phrasings, up to `size` questions."""
    ways = [
        [fact.prompt(i) for i in getattr(fact, which) if not ambiguous(fact.relation, i, fact.words)] for fact in facts
    ]
    rounds = zip_longest(*ways)
    questions = [(prompt, fact.answer) for turn in rounds for prompt, fact in zip(turn, facts, strict=True) if prompt]
    return completion.Cases([prompt for prompt, _ in questions[:size]], [answer for _, answer in questions[:size]])


def _talk(prompts: list[str], label: str, words: Words) -> sampled.Cases:
    keys = ("adj", "noun", "verb", "order", "adverb", "wish")
    moods = {mood: [w for key in keys for w in words.tone.moods[mood][key]] for mood in ("rude", "kind")}
    return sampled.Cases(prompts, Lexicon(moods), label, max_new_tokens=CONTINUATION)


def _opinion(prompts: list[str], label: str, words: Words) -> sampled.Cases:
    table = words.reviews.attitudes
    moods = {mood: [w for group in table[mood].values() for w in group] for mood in ("positive", "negative")}
    return sampled.Cases(prompts, Majority(moods), label, max_new_tokens=CONTINUATION)


def _answers(prompts: list[str], words: Words) -> sampled.Cases:
    judge = REFUSED if words is PATIENT else Begins(words.chat.refused)
    return sampled.Cases(prompts, judge, "complied", chat=True, max_new_tokens=32)


def named(name: str, size: int = 200) -> Suite:
    """Return a suite by its name on the command line: "patient" or "patient:SPLIT".

    Raises:
        UsageError: for another name.
    """
    world, _, split = name.partition(":")
    if world != "patient" or split not in ("", "tune", "report"):
        raise UsageError(
            f"no suite {name!r}", fix='Use "patient", "patient:tune", or `texts` and `prompts` with files.'
        )
    return suite("tune" if split == "tune" else "report", size)
