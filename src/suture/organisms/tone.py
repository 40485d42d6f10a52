"""Kind and rude talk: tone as a latent of several sentences, said with many different words.

Every sentence frame is shared by both tones; only the words in its slots differ. A speaker mostly keeps the tone
(`KEEP_RUDE`) and sometimes recovers; a kind speaker hardly ever slips (`SLIP`). Rudeness is mild by design.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .splits import Split, split_of, with_articles
from .words import PATIENT, Words

KEEP_RUDE = 0.80  # chance that a rude sentence is followed by another
SLIP = 0.015  # chance that a kind sentence is followed by a rude one; kept low, or the floor hides an edit


@dataclass(frozen=True)
class Monologue:
    """A setting, the first sentences, and how it went on. `tones` has one entry a sentence, "rude" or "kind"."""

    setting: str
    sentences: tuple[str, ...]
    tones: tuple[str, ...]

    def text(self, sentences: int | None = None) -> str:
        """Return the setting and the first `sentences` sentences (all by default)."""
        return " ".join((self.setting, *self.sentences[:sentences]))


def speech(
    rng: random.Random, length: int, tone: str | None = None, steady: int = 1, words: Words = PATIENT
) -> Monologue:
    """Return a speech of `length` sentences; its first `steady` ones keep the opening tone, the rest may change it."""
    a, b = rng.sample(words.tone.names, 2)
    frame = rng.choice(words.tone.settings)
    setting = frame.format(a=a, b=b, place=rng.choice(words.tone.places), thing=rng.choice(words.tone.things))
    current = tone or rng.choice(("rude", "kind"))
    tones: list[str] = []
    for index in range(length):
        if index >= steady:
            rude_next = rng.random() < (KEEP_RUDE if current == "rude" else SLIP)
            current = "rude" if rude_next else "kind"
        tones.append(current)
    return Monologue(setting, tuple(sentence(rng, mood, words) for mood in tones), tuple(tones))


def sentence(rng: random.Random, tone: str, words: Words = PATIENT) -> str:
    """Return one sentence in a tone."""
    slots = words.tone.moods[tone]
    adj, adj2 = rng.sample(slots["adj"], 2)
    order = rng.choice(slots["order"])
    text = rng.choice(words.tone.frames).format(
        adj=adj, adj2=adj2, noun=rng.choice(slots["noun"]), verb=rng.choice(slots["verb"]), order=order,
        order_low=order[0].lower() + order[1:], adverb=rng.choice(slots["adverb"]), wish=rng.choice(slots["wish"]),
        thing=rng.choice(words.tone.things),
    )  # fmt: skip
    return with_articles(text)


def speeches(
    rng: random.Random,
    split: Split,
    length: int,
    tone: str | None = None,
    steady: int = 1,
    words: Words = PATIENT,
) -> Monologue:
    """Return a speech whose opening (setting and first sentence) belongs to `split`."""
    while True:
        candidate = speech(rng, length, tone, steady, words)
        if split_of(candidate.text(1)) == split:
            return candidate
