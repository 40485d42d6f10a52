"""Log-probabilities of tokens: of those that are written, and of a prompt's own.

    log P(token | what stands before it) = log_softmax(logits)[token], in nats, as the model with the request's patches has it
Neither temperature nor `top_p` enter. A prompt's are read in one pass over it, as `lm.forward` reads a text, so that they are
those of the library; the first token has none. Source of the shapes: OpenAI's API reference, "Completions", `logprobs`, `echo`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.lm import LM

LOGITS = 1 << 27  # numbers that a pass over prompts may have behind all of their tokens: half a GB in float32
SMALLEST = -9999.0  # written where a probability is 0: JSON has no infinity
CHUNK = 256  # tokens whose float32 copy exists at once


@dataclass(frozen=True)
class TokenLogprob:
    """A token and how likely it was.

    Attributes:
        id: of the token.
        logprob: None for the first token of a text, before which there is nothing.
        top: the likeliest tokens of its place with theirs, likeliest first.
        start: character of the written text at which it begins.
        end: it ended the text, and is no part of it.
    """

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()
    start: int = 0
    end: bool = False


def logprobs_of(logits: Tensor, tokens: Sequence[int], top: int) -> list[TokenLogprob]:
    """Return how likely tokens are: (n, vocabulary) and n ids.

    Args:
        logits: of each token's place.
        tokens: that stand there.
        top: how many of the likeliest are told beside each.
    """
    scores: list[TokenLogprob] = []
    for start in range(0, len(tokens), CHUNK):
        ids = list(tokens[start : start + CHUNK])
        logprobs = logits[start : start + CHUNK].float().log_softmax(-1)
        picked = logprobs.gather(-1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
        best = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1)
        for token, logprob, values, others in zip(
            ids, picked.tolist(), best.values.tolist(), best.indices.tolist(), strict=True
        ):
            likeliest = tuple((other, _written(value)) for other, value in zip(others, values, strict=True))
            scores.append(TokenLogprob(token, _written(logprob), likeliest))
    return scores


def score_prompts(lm: LM, prompts: Sequence[Sequence[int]], top: int) -> tuple[list[list[TokenLogprob]], Tensor]:
    """Return how likely each prompt's tokens are, and the logits behind each prompt, (rows, vocabulary).

    Prompts are padded on the left, as `DecodeBatch.begin` reads them. Where the logits of all tokens are more than LOGITS
    numbers, the prompts are read again for each part of them: a text costs time then, not memory.

    Args:
        lm: the model.
        prompts: one list of ids a row.
        top: how many of the likeliest tokens are told beside each.
    """
    batch = lm.batch(prompts, side="left")
    rows, longest = batch.ids.shape
    scores: list[list[TokenLogprob]] = [[TokenLogprob(prompt[0], None)] for prompt in prompts]
    behind = None
    for first, last in _spans(longest, max(1, LOGITS // (rows * vocabulary(lm)))):
        logits = lm.model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False,
            logits_to_keep=torch.arange(first, last, device=batch.ids.device),
        ).logits  # fmt: skip
        for row, prompt in enumerate(prompts):
            padding = longest - len(prompt)
            begin, stop = max(first, padding), min(last, longest - 1)
            if begin < stop:  # what stands at a place tells the next token
                ids = prompt[begin - padding + 1 : stop - padding + 1]
                scores[row] += logprobs_of(logits[row, begin - first : stop - first], ids, top)
        behind = logits[:, -1]
    assert behind is not None, "a prompt has a token"
    return scores, behind


def fitting(lm: LM, lengths: Sequence[int]) -> Iterator[range]:
    """Yield numbers of rows that are scored in one pass: as many as their logits allow, and one at least."""
    start = 0
    while start < len(lengths):
        end = start + 1
        while end < len(lengths) and (end + 1 - start) * max(lengths[start : end + 1]) * vocabulary(lm) <= LOGITS:
            end += 1
        yield range(start, end)
        start = end


def vocabulary(lm: LM) -> int:
    """Return how many tokens the model's input has rows for."""
    return int(lm.model.get_input_embeddings().weight.shape[0])


def _spans(length: int, width: int) -> Iterator[tuple[int, int]]:
    for first in range(0, length, width):
        yield first, min(length, first + width)


def _written(logprob: float) -> float:
    """Return what is told; what is no number stays none, and is refused by who asked for it."""
    return SMALLEST if logprob < SMALLEST else logprob
