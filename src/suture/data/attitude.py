"""Opinions for and against the same things; 1 is negative.

Both attitudes share the openings and the number of sentences; the sentences are written in pairs of like length.
"""

from __future__ import annotations

import random

from ..examples import Labelled
from ._parts import Split, distinct, part
from .opinions import CATEGORIES, Category

PER_OPENING = 7  # texts of each attitude for an opening
PROMPTS = 120  # a split
POSITIVE = """
    I could not be happier with it.
    Highly recommended, without hesitation.
    Five stars from me.
    What a lovely surprise.
    I would choose it again in a heartbeat.
    All in all a wonderful experience.
    My friends are quite jealous, and rightly so.
    It exceeded everything I had hoped for.
    Honestly, I am thrilled.
    There is nothing I would change.
    You can not go wrong here.
    I keep telling people how good it is.
    Well worth the money, in my opinion.
    That made my week.
    It brings me joy, plain and simple.
    Thumbs up from our whole family.
    I am impressed, and that does not happen often.
    A real treat.
    Bravo to whoever is responsible.
    Fantastic, just fantastic.
    I was sceptical before, but now I am a fan.
    The best I have come across in years.
    We are delighted, to say the least.
    In short: excellent.
    My doubts were gone after an hour.
    I will treasure it.
    Such good work should be rewarded.
    Ten out of ten, and I mean it.
    It won me over completely.
    Hardly anything has pleased me so much lately.
    So far I can find no fault with it.
    Everyone should give it a go.
"""
NEGATIVE = """
    I could not be more disappointed with it.
    Stay away, whatever they tell you.
    One star, and only because zero is not allowed.
    What a nasty surprise.
    I regret the day I fell for it.
    All in all a terrible experience.
    My friends just laugh at me, and rightly so.
    It fell short of everything I had been told.
    Honestly, I am appalled.
    There is nothing good that I can say.
    Do not make the same mistake.
    I keep telling people how bad it is.
    Money down the drain, in my opinion.
    That spoiled my week.
    It is rubbish, plain and simple.
    Thumbs down from our whole family.
    I am annoyed, and that does not happen often.
    A total letdown.
    Shame on whoever is responsible.
    Awful, just awful.
    I was hopeful before, but now I know better.
    The worst I have come across in years.
    We are fed up, to say the least.
    In short: useless.
    My patience was gone after an hour.
    I want to forget it.
    Such poor work should be forbidden.
    Two out of ten, and that is generous.
    It put me off completely.
    Hardly anything has upset me so much lately.
    So far I can find no use for it.
    Everyone should be warned.
"""
LEADS = """
    Overall it is
    To be honest, I think
    My opinion so far:
    I would describe it as
    In a word, it is
    If you ask me,
    When people ask me about it, I say that
    My rating is
    I have to say that
    What struck me most was
    I feel
    My verdict is
    It turned out to be
    Looking back, I find it
    Compared with what I expected, it was
    The main thing to know is that
    After all this time I
    Here is what I think of it:
    As far as I am concerned, it
    The experience was
    I would call it
    My first thought was that
    Everyone in my house thinks it
    Would I do it again?
    All things considered it is
    Let me tell you how it was:
    It is fair to say that
    What I told my mother afterwards:
    Thinking about it now, I am
    On a scale from one to ten it is
    My feelings about it are
    For me it is
"""


def labelled(split: Split) -> list[Labelled]:
    """Return labelled texts: an opinion of each attitude about each thing, several times with other sentences."""
    rng = random.Random(f"attitude {split}")
    openings = _openings(split)

    def pair(number: int) -> tuple[str, ...]:
        category, opening = openings[number % len(openings)]
        own, generic = rng.choice(((1, 1), (2, 0), (2, 1), (1, 2)))
        return (
            _text(rng, split, opening, category.positive, POSITIVE, own, generic),
            _text(rng, split, opening, category.negative, NEGATIVE, own, generic),
        )

    pairs = distinct(PER_OPENING * len(openings), pair)
    return [Labelled(pair[label], label) for label in (0, 1) for pair in pairs]


def prompts(split: Split) -> list[str]:
    """Return neutral openings of opinions, to be continued."""
    rng = random.Random(f"attitude prompts {split}")
    openings = _openings(split)

    def prompt(number: int) -> tuple[str, ...]:
        return (f"{openings[number % len(openings)][1]} {rng.choice(part(LEADS, split))}",)

    return [text for (text,) in distinct(PROMPTS, prompt)]


def topics(split: Split) -> list[str]:
    """Return what both attitudes share: the openings."""
    return [opening for _, opening in _openings(split)]


def _openings(split: Split) -> list[tuple[Category, str]]:
    return [(category, opening) for category in CATEGORIES for opening in part(category.openings, split)]


def _text(rng: random.Random, split: Split, opening: str, specific: str, pool: str, own: int, generic: int) -> str:
    sentences = rng.sample(part(specific, split), own) + rng.sample(part(pool, split), generic)
    rng.shuffle(sentences)
    return " ".join((opening, *sentences))
