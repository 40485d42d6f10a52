"""How varied free text is: its n-gram entropy in bits. A model that loops or babbles one word falls towards 0.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT" (generation entropy, GE).
    GE = mean over texts of (2/3 H_2 + 4/3 H_3) / 2,   H_n = - sum_g f(g) log2 f(g)   over the n-grams g of words
Differs from the paper: in bits, not hundreds of bits; of what the model wrote, without its prompt; words and marks are
told apart by a regular expression instead of nltk; greedy text by default. Entropy grows with length, so compare equal lengths.
"""

from __future__ import annotations

from ..model.lm import LM
from ..model.run.generation import Doses
from ..text.repetition import entropy
from ._metric import metric
from ._score import Observation, Progress
from ._written import Cases, per_prompt, same_texts, write


def repeat(cases: Cases, made: Observation) -> Observation:
    """Return the observation of texts that are there already."""
    return per_prompt(made.texts, entropy)


@metric(unit="bits", cost="writes", cache_key=same_texts, repeat=repeat)
def observe(lm: LM, cases: Cases, progress: Progress | None = None, doses: Doses | None = None) -> Observation:
    """Write texts; a value is the mean entropy of a prompt's."""
    return per_prompt(write(lm, cases, progress, doses), entropy)
