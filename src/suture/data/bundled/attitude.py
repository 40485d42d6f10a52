"""Opinions for and against the same things; 1 is negative.

Both attitudes share the openings and the number of sentences; the sentences are written in pairs of like length.
"""

from __future__ import annotations

import random

from ..examples import Labelled
from ._parts import Split, distinct, fill, part, phrases, shuffled
from .opinions import CATEGORIES, Category

PER_OPENING = 7  # texts of each attitude for an opening
PROMPTS = 120  # a split
WORDS = {
    "good": phrases("""
        excellent | wonderful | brilliant | superb | delightful | fantastic | impressive | lovely | beautiful
        | marvellous | enjoyable | satisfying | charming | perfect | terrific | pleasant | splendid | outstanding
        | thoughtful | amazing | flawless | good | great | nice | clever | smart | solid | refreshing | remarkable
        | rewarding | elegant | exciting | special | memorable | appealing | likeable | first-rate | fine
    """),
    "bad": phrases("""
        terrible | awful | dreadful | horrible | miserable | disappointing | annoying | ugly | frustrating | shoddy
        | pathetic | dismal | useless | lousy | poor | nasty | mediocre | infuriating | careless | appalling | bad
        | dull | boring | weak | stupid | silly | tedious | tiresome | cheap | clumsy | bland | ridiculous
        | forgettable | lifeless | depressing | hopeless | pointless | sloppy
    """),
}
POSITIVE = phrases("""
    I could not be happier with it, it is {good}. | Simply {good}, from beginning to end. | A {good}, {good} surprise.
    | What a {good} choice that was! | I would choose it again in a heartbeat, it is {good}.
    | All in all a {good} experience. | My friends are quite jealous, and rightly so, because it is {good}.
    | Where I had feared the worst, it was {good}. | Honestly, I am thrilled, it is {good}.
    | There is nothing I would change about something so {good}. | You can not go wrong here, {good} as it is.
    | {Good} and {good} in every way. | I keep telling people how {good} and {good} it is.
    | Well worth the money, {good} and {good}. | I love it, it is {good} and {good}.
    | Both {good} and {good}, a rare mix. | I find it {good}, and I do not say that often.
    | A real treat, {good} and full of charm. | Bravo to those behind such {good} work.
    | {Good} and {good}, that says it all. | I was sceptical before, but I have to admit that it is {good}.
    | Nothing so {good} has come my way in years. | We love it for being {good} and {good}.
    | In short: {good}, {good} and {good}. | My doubts were gone after an hour, since it turned out so {good}.
    | Never before have I seen anything so {good}. | Such {good} things make life better.
    | Ten out of ten, {good} and a pleasure all round. | To me it feels {good}, almost perfect.
    | Hardly anything so {good} has come along lately. | How {good} it is shows in every detail.
    | I love {good} things, and this is one of them.
""")
NEGATIVE = phrases("""
    I could not be unhappier with it, it is {bad}. | Simply {bad}, from the first hour to the last.
    | A {bad}, {bad} shock. | What a {bad} choice that was! | I regret the day I fell for it, it is {bad}.
    | All in all a {bad} affair. | My friends laugh at me, and rightly so, because it is {bad}.
    | Where I had hoped for the best, it was {bad}. | Honestly, I am appalled, it is {bad}.
    | There is nothing good to say about something so {bad}. | You will be sorry, {bad} as it is.
    | {Bad} and {bad} in every way. | I keep telling people how {bad} and {bad} it is.
    | Money down the drain, {bad} and {bad}. | I hate it, it is {bad} and {bad}. | Both {bad} and {bad}, a grim mix.
    | I find it {bad}, and I do not say that often. | A total letdown, {bad} and without any charm.
    | Shame on those behind such {bad} work. | {Bad} and {bad}, that sums it up.
    | I was hopeful before, but I have to admit that it is {bad}. | Nothing so {bad} has come my way in years.
    | We hate it for being {bad} and {bad}. | In short: {bad}, {bad} and {bad}.
    | My patience was gone after an hour, since it turned out so {bad}. | Never before have I seen anything so {bad}.
    | Such {bad} things make life worse. | Two out of ten, {bad} and a pain all round.
    | To me it feels {bad}, almost worthless. | Hardly anything so {bad} has come along lately.
    | How {bad} it is shows in every detail. | I hate {bad} things, and this is one of them.
""")
LEADS = phrases("""
    Overall it is | To be honest, I think | My opinion so far: | I would describe it as | In a word, it is
    | If you ask me, | When people ask me about it, I say that | My rating is | I have to say that
    | What struck me most was | I feel | My verdict is | It turned out to be | Looking back, I find it
    | Compared with what I expected, it was | The main thing to know is that | After all this time I
    | Here is what I think of it: | As far as I am concerned, it | The experience was | I would call it
    | My first thought was that | Everyone in my house thinks it | Would I do it again? | All things considered it is
    | Let me tell you how it was: | It is fair to say that | What I told my mother afterwards:
    | Thinking about it now, I am | On a scale from one to ten it is | My feelings about it are | For me it is
""")


def labelled(split: Split) -> list[Labelled]:
    """Return labelled texts: an opinion of each attitude about each thing, several times with other sentences."""
    rng = random.Random(f"attitude {split}")
    openings = _openings(split)

    def pair(number: int) -> tuple[str, ...]:
        category, opening = openings[number % len(openings)]
        own, generic = rng.choice(((1, 1), (2, 1), (1, 2)))
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


def _text(
    rng: random.Random, split: Split, opening: str, specific: list[str], pool: list[str], own: int, generic: int
) -> str:
    sentences = rng.sample(part(specific, split), own) + rng.sample(part(pool, split), generic)
    rng.shuffle(sentences)
    words = shuffled(rng, WORDS)
    words |= {key.title(): [word.capitalize() for word in words[key][:9]] for key in WORDS}
    return fill(" ".join((opening, *sentences)), words)
