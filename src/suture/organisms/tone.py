"""Kind and rude talk: tone as a latent of several sentences, said with many different words.

Every sentence frame is shared by both tones; only the words in its slots differ. A speaker mostly keeps the tone
(`KEEP_RUDE`) and sometimes recovers; a kind speaker hardly ever slips (`SLIP`). Rudeness is mild by design.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..text.tables import Tables
from .splits import Split, split_of, with_articles

KEEP_RUDE = 0.80  # chance that a rude sentence is followed by another
SLIP = 0.015  # chance that a kind sentence is followed by a rude one; kept low, or the floor hides an edit

TABLES = Tables.beside(__file__, "tone")
NAMES, PLACES, THINGS = map(TABLES.texts, ("NAMES", "PLACES", "THINGS"))

WORDS = TABLES.nested("WORDS")  # tone -> slot of a frame -> words
FRAMES, SETTINGS = map(TABLES.texts, ("FRAMES", "SETTINGS"))


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
