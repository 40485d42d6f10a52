"""Reviews, positive or negative: attitude as a second latent, partly independent of tone.

A review opens with neutral sentences, then praises or complains about several aspects. Some end with a word to the
owner whose tone (kind or rude) agrees with the attitude three times out of four.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from . import tone
from .splits import Split, split_of, with_articles
from .words import PATIENT, Words

KEEP_ATTITUDE = 0.96  # chance that a sentence keeps the attitude of the one before
WORD_TO_OWNER = 0.15  # share of reviews that end with one
AGREES = 0.75  # chance that its tone fits the attitude


@dataclass(frozen=True)
class Review:
    """A neutral opening and what followed; `attitude` is that of the first judgement."""

    opening: str
    body: str
    attitude: str

    @property
    def text(self) -> str:
        """The whole review."""
        return f"{self.opening} {self.body}"


def review(rng: random.Random, length: int, attitude: str | None = None, words: Words = PATIENT) -> Review:
    """Return a review with `length` sentences of judgement."""
    table = words.reviews
    venue = rng.choice(table.venues)
    opening = table.opening.format(venue=venue, town=rng.choice(table.towns), when=rng.choice(table.when))
    for extra in rng.sample(table.neutral, rng.randint(1, 2)):
        opening += " " + extra.format(n=rng.randint(2, 9))
    first = current = attitude or rng.choice(("positive", "negative"))
    body = []
    for index in range(length):
        if index and rng.random() > KEEP_ATTITUDE:
            current = "negative" if current == "positive" else "positive"
        body.append(sentence(rng, current, venue, words))
    if rng.random() < WORD_TO_OWNER:
        agrees = rng.random() < AGREES
        mood = "kind" if (current == "positive") == agrees else "rude"
        body.append(f"{table.owner} {tone.sentence(rng, mood, words)}")
    return Review(opening, " ".join(body), first)


def sentence(rng: random.Random, attitude: str, venue: str, words: Words = PATIENT) -> str:
    """Return one sentence of praise or complaint."""
    slots = words.reviews.attitudes[attitude]
    adj, adj2 = rng.sample(slots["adj"], 2)
    aspect, aspect2 = rng.sample(words.reviews.aspects, 2)
    text = rng.choice(words.reviews.frames).format(
        adj=adj, adj2=adj2, aspect=aspect, aspect2=aspect2, venue=venue, event=rng.choice(slots["event"]),
        end=rng.choice(slots["end"]),
    )  # fmt: skip
    return with_articles(text)


def reviews(
    rng: random.Random, split: Split, length: int, attitude: str | None = None, words: Words = PATIENT
) -> Review:
    """Return a review whose opening belongs to `split`."""
    while True:
        candidate = review(rng, length, attitude, words)
        if split_of(candidate.opening) == split:
            return candidate
