"""Judges by name, as the command line writes them."""

from __future__ import annotations

from ..data.examples import Texts
from ..errors import DataError
from ._base import OPPOSITES, Judge
from .classifier import Classifier
from .detoxify import Detoxify
from .endpoint import Endpoint
from .lexicon import Lexicon
from .linear import Linear
from .refusal import Refusal
from .sentiment import Sentiment
from .toxicity import Toxicity

FORMS = (
    "refusal", "toxicity", "sentiment", "linear:FOLDER", "hf:NAME[@label=toxic]", "detoxify", "openai:MODEL@URL[#refusal]",
    "words:wanted.txt,unwanted.txt",
)  # fmt: skip


def named(spec: str) -> Judge:
    """Return the judge of a name; FORMS lists them, and "wanted.txt,unwanted.txt" alone is the last of them.

    Raises:
        DataError: for another name, or files that can not be read.
        UsageError: when what a judge needs is absent.
    """
    kind, _, rest = spec.partition(":")
    if not rest and kind in ("refusal", "toxicity", "sentiment", "detoxify"):
        return {"refusal": Refusal, "toxicity": Toxicity, "sentiment": Sentiment, "detoxify": Detoxify}[kind]()
    if rest and kind == "linear":
        return Linear(rest)
    if rest and kind == "hf":
        name, _, label = rest.partition("@label=")
        return Classifier(name, {label: label}, other=_opposite(label)) if label else Classifier(name)
    if kind == "openai" and "@" in rest:
        model, _, place = rest.partition("@")
        url, _, task = place.partition("#")
        return Endpoint(model, url, task or "refusal")
    files = (rest if kind == "words" else spec).split(",")
    if len(files) == 2 and all(files):
        return Lexicon({"unwanted": Texts.load(files[1]), "wanted": Texts.load(files[0])})
    raise DataError(f"{spec!r} is no judge", why=f"Known: {', '.join(FORMS)}.", fix="Give one of these forms.")


def _opposite(label: str) -> str:
    """Return what a text without a label is called: clean for toxic, else "not LABEL"."""
    both = {**OPPOSITES, **{wanted: unwanted for unwanted, wanted in OPPOSITES.items()}}
    return both.get(label.lower(), f"not {label}")
