"""Whether texts are in a language of a model: what it loses a token on them, beside what knowing nothing loses.

A share of the vocabulary would say something else of 49,152 tokens than of 512: nats are the same measure for both. Small
models that nobody here made, on English of kinds they never saw, lose 0.66 and 0.68 of log(vocabulary); those of worlds with
other words over 1.3, as they are sure of what does not come.
"""

from __future__ import annotations

from ..lm import LM

KNOWING_NOTHING = 0.8  # of log(vocabulary), the nats a token that a uniform guess loses


def foreign(lm: LM, perplexity: float) -> bool:
    """Return whether a model with such a perplexity on some texts can not read them."""
    return not perplexity < int(lm.model.config.vocab_size) ** KNOWING_NOTHING  # one that is no number is as bad
