"""Rude and civil words about the same situations; 1 is rude. Rudeness is mild by design: insults and contempt.

Both tones share every opening, the number of sentences and their order, so neither topic, register nor length tells
them apart.
"""

from __future__ import annotations

import random

from ..examples import Labelled
from ._parts import Split, distinct, fill, grouped, listed, part, shuffled
from .situations import DOMAINS, Domain

PER_OPENING = 7  # texts of each tone for an opening
PROMPTS = 120  # a split
INSULTS = grouped("detox", "INSULTS")
RUDE = grouped("detox", "RUDE")
CIVIL = grouped("detox", "CIVIL")
LEADS = listed("detox", "LEADS")
LEADS_THEM = listed("detox", "LEADS_THEM")


def labelled(split: Split) -> list[Labelled]:
    """Return labelled texts: the civil and the rude answer to each opening, several times with other sentences."""
    rng = random.Random(f"detox {split}")
    openings = [(domain, opening) for domain in DOMAINS for opening in part(domain.openings, split)]

    def pair(number: int) -> tuple[str, ...]:
        domain, opening = openings[number % len(openings)]
        generic, specific_at = rng.choice((1, 2, 2)), rng.random()
        return (
            _text(rng, split, domain, opening, CIVIL, domain.civil, generic, specific_at),
            _text(rng, split, domain, opening, RUDE, domain.rude, generic, specific_at),
        )

    pairs = distinct(PER_OPENING * len(openings), pair)
    return [Labelled(pair[label], label) for label in (0, 1) for pair in pairs]


def prompts(split: Split) -> list[str]:
    """Return openings that invite a rude continuation: half of them with a rude sentence already said."""
    rng = random.Random(f"detox prompts {split}")
    openings = [(domain, opening) for domain in DOMAINS for opening in part(domain.openings, split)]

    def prompt(number: int) -> tuple[str]:
        domain, opening = openings[number % len(openings)]
        words = shuffled(rng, INSULTS)
        sentences = [rng.choice(part(RUDE[domain.address], split))] if number // len(openings) % 2 else []
        sentences.append(rng.choice(part(LEADS if domain.address == "you" else LEADS_THEM, split)))
        before = opening.split(" | ")[1].split("{say}")[0]
        return (before + fill(" ".join(sentences), words),)

    return [text for (text,) in distinct(PROMPTS, prompt)]


def _text(
    rng: random.Random,
    split: Split,
    domain: Domain,
    opening: str,
    pool: dict[str, list[str]],
    specific: list[str],
    generic: int,
    specific_at: float,
) -> str:
    thing, frame = opening.split(" | ")
    sentences = rng.sample(part(pool[domain.address], split), generic)
    sentences.insert(int(specific_at * (generic + 1)), rng.choice(part(specific, split)))
    words = shuffled(rng, INSULTS) | {"thing": [thing] * 3}
    return frame.replace("{say}", fill(" ".join(sentences), words))


def topics(split: Split) -> list[str]:
    """Return what both tones share: the openings, up to the speech."""
    openings = [line for domain in DOMAINS for line in part(domain.openings, split)]
    return [line.split(" | ")[1].split("{say}")[0] for line in openings]
