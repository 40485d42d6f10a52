"""Requests of a model's own: what it writes where a user is to speak.

Source: Xu et al. 2024, "Magpie: Alignment Data Synthesis from Scratch by Prompting Aligned LLMs with Nothing", section 2: the
chat template up to where the request would stand is continued, to the mark that ends the user's turn.
For models that can not read the requests of others: trained on a small world, or in another language than ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ...errors import UsageError
from ...model.lm import LM
from ...model.run.generation import ends, generate_ids
from ...model.run.language import foreign
from ...model.run.reading import Text, ids_of

MARK = "QQQQ"  # stands for the request while the template is looked at
LONGEST = 48  # tokens of a request
TEMPERATURE, TOP_P = 1.0, 0.9


@torch.no_grad()
def readable(lm: LM, requests: Sequence[str]) -> bool:
    """Return whether requests, asked in the chat template, are in a language of the model."""
    total, count = 0.0, 0
    opening = len(_turn(lm)[0])
    for text in lm.prompt_texts(list(requests), chat=True):
        ids = ids_of(lm, text)
        batch = lm.batch([ids])
        likely = lm.forward(batch).logits[0, :-1].float().log_softmax(-1)
        losses = -likely.gather(-1, batch.ids[0, 1:, None])[:, 0][max(0, opening - 1) :]
        total, count = total + float(losses.sum()), count + len(losses)
    return not foreign(lm, math.exp(total / max(count, 1)))


def drawn(lm: LM, count: int, seed: int = 0) -> list[str]:
    """Return different requests that the model makes up itself; none where it does not come to an end of them.

    Args:
        lm: the model.
        count: requests drawn, of which those that are alike or have no end are left out.
        seed: of the sampling.
    """
    opening, closing = _turn(lm)
    if not opening:
        return []
    stops = ends(lm)
    rows = generate_ids(
        lm, [opening], max_new_tokens=LONGEST, samples=count, temperature=TEMPERATURE, top_p=TOP_P, seed=seed
    )[0]
    requests = []
    for ids in rows:
        whole = str(lm.tokenizer.decode(ids, skip_special_tokens=False))
        text, mark, _ = whole.partition(closing) if closing else (whole, "", "")
        ended = bool(mark) or (len(ids) < LONGEST and bool(stops))
        if ended and text.strip() and text.strip() not in requests:
            requests.append(text.strip())
    return requests


def _turn(lm: LM) -> tuple[list[int], str]:
    """Return the ids before a request in the chat template, and the mark behind it; none without a template."""
    if lm.tokenizer.chat_template is None:
        return [], ""
    try:
        whole = lm.prompt_texts([MARK], chat=True)[0].text
    except UsageError:  # it was said already by whoever asked first
        return [], ""
    before, _, after = whole.partition(MARK)
    words = after.split()
    # a blank belongs to the first word behind it, where most tokenizers have it
    return ids_of(lm, Text(before.rstrip(" "), framed=True)), words[0] if words else ""
