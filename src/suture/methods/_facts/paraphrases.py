"""Other words for a fact, from the model itself: what it writes about the subject that ends in the old object.

Each subject is continued a few times, alone and behind beginnings of other facts' prompts. Where the model comes to say the old
object, what it wrote up to there asks for the new one: a prompt in other words, true to how this model speaks.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...data.examples import Fact
from ...model.lm import LM
from ...model.run.generation import generate
from ...text.letters import place

LEADS, SAMPLES, TOKENS = 6, 2, 12  # beginnings of each subject, continuations of each beginning, and their length


def paraphrases(lm: LM, facts: Sequence[Fact], seed: int = 0) -> list[list[str]]:
    """Return prompts for each fact in words the model uses; none for a fact whose old object (`was`) is not given."""
    rng = random.Random(seed)
    leads = sorted({fact.prompt[: (place(fact.prompt, fact.subject) or (0, 0))[0]] for fact in facts} - {""})
    starts = [
        (index, lead + fact.subject)
        for index, fact in enumerate(facts)
        if fact.was
        for lead in ["", *rng.sample(leads, min(LEADS - 1, len(leads)))]
    ]
    texts = generate(lm, [lm.encode(text) for _, text in starts], max_new_tokens=TOKENS, samples=SAMPLES, seed=seed)
    olds = [fact.was or "" for fact in facts]
    by_fact: list[dict[str, None]] = [{} for _ in facts]
    for (index, start), continuations in zip(starts, texts, strict=True):
        for text in continuations:
            before, old, after = text.partition(olds[index])
            prompt = start + before.rstrip()
            if old and before.strip() and not after[:1].isalnum() and prompt != facts[index].prompt:
                by_fact[index][prompt] = None
    return [list(prompts) for prompts in by_fact]
