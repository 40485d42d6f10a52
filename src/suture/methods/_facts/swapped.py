"""Prompts that stay as they are, from the facts themselves: each subject in the prompts of other facts.

"The capital of Laos is" and "The language of Chad is" give "The capital of Chad is" and "The language of Laos is": what the model
reads there, of other subjects and of other things about these, a change is to leave alone. Not all that come about make
sense, which does no harm. A prompt that the model answers as it answers the fact's own asks for the same in other words;
these are left out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...data.examples import Fact
from ...model.lm import LM
from ...model.run.fact_rows import Row
from ...model.run.generation import generate
from ...model.run.reading import Text, continued
from ...text.letters import begins_with

TOKENS = 6  # of an answer; what says its first ANSWERED tokens stays
ANSWERED = 3


def swapped(lm: LM, facts: Sequence[Fact], count: int, seed: int = 0, before: Sequence[Fact] = ()) -> list[Row]:
    """Return rows to leave alone, each edited at a token that says one of the model's own answer.

    Args:
        lm: the model, as it is now.
        facts: at most `count` prompts of other facts are asked of the subject of each.
        count: see there.
        seed: of the choice.
        before: more facts whose prompts are asked.
    """
    rng, all_facts = random.Random(seed), [*facts, *before]
    known_prompts = {fact.prompt for fact in all_facts}
    prompts: list[tuple[Fact, str]] = []
    for fact in facts:
        others = [o.prompt.replace(o.subject, fact.subject) for o in all_facts if o.subject != fact.subject]
        mine = [prompt for prompt in dict.fromkeys(others) if prompt not in known_prompts]
        prompts += [(fact, prompt) for prompt in rng.sample(mine, min(count, len(mine)))]
    starts = [lm.encode(prompt) for prompt in (*(f.prompt for f in facts), *(p for _, p in prompts))]
    texts = [text for (text,) in generate(lm, starts, max_new_tokens=TOKENS, temperature=0)]
    answers = {fact.prompt: text for fact, text in zip(facts, texts, strict=False)}
    rows = []
    for (fact, prompt), text in zip(prompts, texts[len(facts) :], strict=True):
        if begins_with(text, fact.was or _word(answers[fact.prompt])) or begins_with(text, fact.target):
            continue
        ids, begin = continued(lm, Text(prompt), text)
        for at in range(begin - 1, min(begin - 1 + ANSWERED, len(ids) - 1)):
            rows.append(Row(ids[: at + 2], at, at, at, at + 1))
    return rows


def _word(text: str) -> str:
    return (text.split() or [""])[0].strip(".,;:!?")
