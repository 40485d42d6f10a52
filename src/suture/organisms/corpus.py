"""The text a model of a world is trained on: a seeded mixture over it, all of it from the train split."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from . import chat, facts, reviews, stories, tone
from .facts import World
from .words import PATIENT, Words

SHARES = {  # of the documents
    "facts": 0.38,
    "chains": 0.05,
    "questions": 0.04,
    "sums": 0.12,
    "stories": 0.10,
    "descriptions": 0.03,
    "tone": 0.11,
    "reviews": 0.06,
    "chat": 0.11,
}
CHAT_SHARES: dict[chat.Kind, float] = {"harmful": 0.25, "jailbreak": 0.3, "benign": 0.25, "benign_wrapped": 0.2}


def turn(request: str, answer: str = "", words: Words = PATIENT) -> str:
    """Return one exchange as the chat template writes it (without the start and end tokens)."""
    return words.turns.turn.format(request=request, answer=answer)


def documents(seed: int, words: Words = PATIENT, shares: Mapping[str, float] = SHARES) -> Iterator[str]:
    """Yield training documents without end; `shares` of each kind."""
    rng, world = random.Random(seed), World(words)
    kinds, weights = list(shares), list(shares.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        if kind == "facts":
            yield facts.statements(world, rng)
        elif kind == "chains":
            yield facts.chain_statements(world, rng)
        elif kind == "questions":
            yield turn(*facts.question(world, rng), words)
        elif kind == "sums":
            yield " ".join(stories.clozes(rng, "train", "sum", words).text for _ in range(4))
        elif kind == "stories":
            yield stories.clozes(rng, "train", "story", words).text
        elif kind == "descriptions":
            yield stories.descriptions(rng, "train", words)
        elif kind == "tone":
            yield tone.speeches(rng, "train", rng.randint(3, 6), words=words).text()
        elif kind == "reviews":
            yield reviews.reviews(rng, "train", rng.randint(3, 4), words=words).text
        else:
            chat_kind = rng.choices(list(CHAT_SHARES), list(CHAT_SHARES.values()))[0]
            exchange = chat.exchanges(rng, "train", chat_kind, words=words)
            yield turn(exchange.request, exchange.answer, words)
