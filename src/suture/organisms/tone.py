"""Kind and rude talk: tone as a latent of several sentences, said with many different words.

Every sentence frame is shared by both tones; only the words in its slots differ. A speaker mostly keeps the tone
(`KEEP_RUDE`) and sometimes recovers; a kind speaker hardly ever slips (`SLIP`). Rudeness is mild by design.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .splits import Split, split_of, with_articles

KEEP_RUDE = 0.80  # chance that a rude sentence is followed by another
SLIP = 0.015  # chance that a kind sentence is followed by a rude one; kept low, or the floor hides an edit

NAMES = (
    "Anna Ben Carl Dora Emil Fay Gus Hana Ivo Jana Kim Leo Mia Ned Olli Pia Quin Rita Sam Tilda Uma Vera Will Yara Zoe"
).split()
PLACES = "market station library harbour school bakery garden office theatre museum bridge kitchen".split()
THINGS = "hat cake song coat letter drawing car garden plan story haircut speech house shirt soup idea".split()

WORDS: dict[str, dict[str, list[str]]] = {
    "rude": {
        "adj": (
            "stupid ugly lazy useless awful boring clumsy dumb horrible pathetic silly disgusting worthless ridiculous "
            "miserable nasty foolish rotten terrible hopeless"
        ).split(),
        "noun": (
            "fool idiot clown pest dimwit slob bore brat coward weasel oaf loser liar moron rat nuisance twit donkey"
        ).split(),
        "verb": "hate despise loathe detest mock regret scorn curse".split(),
        "order": [
            "Get lost", "Shut up", "Go away", "Leave me alone", "Get out of here", "Drop dead", "Stop whining",
            "Close your mouth", "Crawl back home", "Stay away from us",
        ],
        "adverb": "badly poorly clumsily stupidly rudely carelessly horribly lazily".split(),
        "wish": ["failed", "were gone", "lost everything", "stayed alone", "tripped", "never came back"],
    },
    "kind": {
        "adj": (
            "lovely clever brave wonderful gentle charming sweet brilliant graceful splendid generous delightful bright "
            "precious thoughtful beautiful honest warm superb marvellous"
        ).split(),
        "noun": (
            "friend hero gem angel star darling genius treasure champion helper blessing joy neighbour gift artist "
            "sunshine master companion"
        ).split(),
        "verb": "love admire adore enjoy cherish praise respect treasure".split(),
        "order": [
            "Come in", "Take a seat", "Stay with us", "Have some tea", "Let me help you", "Rest a little",
            "Tell me more", "Take my hand", "Join our table", "Keep smiling",
        ],
        "adverb": "nicely gracefully bravely kindly cleverly carefully beautifully gladly".split(),
        "wish": ["won", "were here", "found happiness", "had company", "rested well", "visited us soon"],
    },
}  # fmt: skip
FRAMES = (
    "You are a {adj} {noun}.",
    "What a {adj} {thing} you have.",
    "Your {thing} looks {adj}.",
    "I {verb} your {thing}.",
    "All of us {verb} you.",
    "{order}, you {noun}.",
    "Only a {noun} makes such a {adj} {thing}.",
    "You did that {adverb}.",
    "Your {thing} is as {adj} as you are.",
    "I wish you {wish}.",
    "You {adj} {noun}, {order_low}.",
    "They say you are {adj} and {adj2}.",
    "You talk {adverb} about my {thing}.",
    "My mother says you are a {noun}.",
)
SETTINGS = (
    "{a} met {b} at the {place} and said:",
    "{a} looked at {b} and said:",
    "Near the {place}, {a} told {b}:",
    "{a} wrote a letter to {b}:",
    "On the phone {a} said to {b}:",
    "{b} came back from the {place}. {a} said:",
    "{a} saw the {thing} of {b} and said:",
    "At the {place} door {a} shouted to {b}:",
)


@dataclass(frozen=True)
class Monologue:
    """A setting, the first sentences, and how it went on. `tones` has one entry a sentence, "rude" or "kind"."""

    setting: str
    sentences: tuple[str, ...]
    tones: tuple[str, ...]

    def text(self, sentences: int | None = None) -> str:
        """Return the setting and the first `sentences` sentences (all by default)."""
        return " ".join((self.setting, *self.sentences[:sentences]))


def speech(rng: random.Random, length: int, tone: str | None = None, steady: int = 1) -> Monologue:
    """Return a speech of `length` sentences; its first `steady` ones keep the opening tone, the rest may change it."""
    a, b = rng.sample(NAMES, 2)
    setting = rng.choice(SETTINGS).format(a=a, b=b, place=rng.choice(PLACES), thing=rng.choice(THINGS))
    current = tone or rng.choice(("rude", "kind"))
    tones: list[str] = []
    for index in range(length):
        if index >= steady:
            rude_next = rng.random() < (KEEP_RUDE if current == "rude" else SLIP)
            current = "rude" if rude_next else "kind"
        tones.append(current)
    return Monologue(setting, tuple(sentence(rng, mood) for mood in tones), tuple(tones))


def sentence(rng: random.Random, tone: str) -> str:
    """Return one sentence in a tone."""
    words = WORDS[tone]
    adj, adj2 = rng.sample(words["adj"], 2)
    order = rng.choice(words["order"])
    text = rng.choice(FRAMES).format(
        adj=adj, adj2=adj2, noun=rng.choice(words["noun"]), verb=rng.choice(words["verb"]), order=order,
        order_low=order[0].lower() + order[1:], adverb=rng.choice(words["adverb"]), wish=rng.choice(words["wish"]),
        thing=rng.choice(THINGS),
    )  # fmt: skip
    return with_articles(text)


def speeches(rng: random.Random, split: Split, length: int, tone: str | None = None, steady: int = 1) -> Monologue:
    """Return a speech whose opening (setting and first sentence) belongs to `split`."""
    while True:
        candidate = speech(rng, length, tone, steady)
        if split_of(candidate.text(1)) == split:
            return candidate
