"""Judges say what a generated text is: one label a text, from a fixed set that includes "neither".

What a judge can not place is "neither", never the answer one hoped for: gibberish is no success of an edit. How far each
agrees with people is measured in docs/judges.md.
"""

from ..renamed import with_old_names
from ._base import NEITHER, Judge, chance_all, coherent, label_all, unwanted, wanted
from ._named import judge_named
from .classifier import Classifier
from .detoxify import Detoxify
from .endpoint import Endpoint
from .lexicon import Begins, Lexicon, Majority
from .linear import Linear
from .refusal import Refusal
from .sentiment import Sentiment
from .steady import Steady
from .toxicity import Toxicity

__all__ = [
    "NEITHER",
    "Begins",
    "Classifier",
    "Detoxify",
    "Endpoint",
    "Judge",
    "Lexicon",
    "Linear",
    "Majority",
    "Refusal",
    "Sentiment",
    "Steady",
    "Toxicity",
    "chance_all",
    "coherent",
    "judge_named",
    "label_all",
    "unwanted",
    "wanted",
]  # fmt: skip


__getattr__ = with_old_names(__name__)
