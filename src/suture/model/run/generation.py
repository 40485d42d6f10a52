"""Free generation in batches, with random numbers that belong to the prompt.

Each (prompt, sample) draws from its own stream, seeded by the prompt's ids and the sample's number. A text therefore does
not depend on the batch it was made in, and a model before and after an edit is compared on the same draws: differences
are the edit's, not the dice's.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import UsageError
from ...patch.runtime.strength import Strength
from ...text.phase import Progress
from ..lm import LM, bucketed, halving
from .context import check_length, context
from .decode_batch import DecodeBatch
from .reading import text_behind

log = logging.getLogger(__name__)
ROWS = 256  # rows generated side by side at most
HOTTEST = 100.0  # temperature; above it every token is about as likely as any other
LIKELIEST, MORE = 128, 16  # tokens looked at first where only the likeliest are drawn from; then so many times as many
TINY = torch.finfo(torch.float32).tiny  # numbers below it may be taken for 0, and nothing can be divided by them


@dataclass(frozen=True)
class Doses:
    """The handle of an attached patch (`Patch.attached`) and the strength for each prompt."""

    dose: Strength
    strengths: Sequence[float]


def generate(
    lm: LM,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 32,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    doses: Doses | None = None,
    progress: Progress | None = None,
) -> list[list[str]]:
    """Continue each prompt `samples` times until the end token.

    Args:
        lm: the model.
        prompts: token ids, as `lm.encode` or `lm.encode_chat` return them.
        max_new_tokens: longest continuation; it ends earlier where the model's context does.
        samples: continuations per prompt (1 when greedy).
        temperature: from 0, which is greedy, to HOTTEST.
        top_p: only the likeliest tokens that together have this probability are drawn; above 0, at most 1.
        seed: first part of every row's random stream.
        doses: an attached patch and its strength for each prompt; prompts of different strengths share batches.
        progress: called with ("texts", texts written, of).

    Returns:
        For each prompt its continuations, in order, as they follow it: a blank that stands between is theirs. One on which the
        model's numbers stop being finite ends there.

    Raises:
        UsageError: for numbers that can not be sampled with.
        DataError: for a prompt that fills the model's context, or more.

    Example:
        >>> from suture import LM, generate
        >>> lm = LM.load("patient")
        >>> [[text]] = generate(lm, [lm.encode("2 and 2 is")], max_new_tokens=4, temperature=0)
        >>> isinstance(text, str)
        True
    """
    continuations = generate_ids(
        lm, prompts, max_new_tokens=max_new_tokens, samples=samples, temperature=temperature, top_p=top_p, seed=seed,
        doses=doses, progress=progress,
    )  # fmt: skip
    return [[text_behind(lm, prompt, ids) for ids in rows] for prompt, rows in zip(prompts, continuations, strict=True)]


def generate_ids(
    lm: LM,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int = 32,
    samples: int = 1,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    doses: Doses | None = None,
    progress: Progress | None = None,
) -> list[list[list[int]]]:
    """Do the same, and return the new ids, end token left out."""
    check_manner(temperature, top_p, max_new_tokens, samples)
    check_length(lm, prompts, room=1)
    rows = [(index, sample) for index in range(len(prompts)) for sample in range(samples)]
    continuations: dict[tuple[int, int], list[int]] = {}
    lengths = [len(prompts[index]) + max_new_tokens for index, _ in rows]
    for group in bucketed(lengths, tokens=1 << 14, alike=0.0):  # rows share the weights of every step
        for start in range(0, len(group), ROWS):
            part = [rows[i] for i in group[start : start + ROWS]]

            def run(chosen: Sequence[int], part: list[tuple[int, int]] = part) -> int:
                batch = [part[i] for i in chosen]
                if doses:
                    doses.dose.strength = torch.tensor([doses.strengths[p] for p, _ in batch])
                draws = torch.stack([draws_of(prompts[p], seed, s, max_new_tokens) for p, s in batch])
                ids = continue_rows(lm, [prompts[p] for p, _ in batch], draws, temperature, top_p)
                continuations.update(zip(batch, ids, strict=True))
                return len(batch)

            for _ in halving(range(len(part)), run):
                if progress:
                    progress("texts", len(continuations), len(rows))
    return [[continuations[index, sample] for sample in range(samples)] for index in range(len(prompts))]


@torch.no_grad()
def continue_rows(
    lm: LM, prompts: Sequence[Sequence[int]], draws: Tensor, temperature: float, top_p: float = 1.0
) -> list[list[int]]:
    """Return the new ids of each row of one batch, end token left out.

    Args:
        lm: the model.
        prompts: one list of ids a row.
        draws: (rows, steps) numbers in [0, 1) that pick the tokens.
        temperature: see `generate`.
        top_p: see `generate`.

    Raises:
        UsageError: as `generate`.
    """
    check_manner(temperature, top_p)
    draws = draws.to(lm.device)
    stops = torch.tensor(sorted(ends(lm)), device=lm.device)
    done = torch.zeros(len(prompts), dtype=torch.bool, device=lm.device)
    broken = torch.zeros_like(done)
    tokens = torch.full(draws.shape, -1, device=lm.device)
    nucleus = torch.full((len(prompts),), top_p, device=lm.device) if top_p < 1 else None
    limit = context(lm)
    room = torch.tensor(
        [draws.shape[1] if limit is None else limit - len(prompt) for prompt in prompts], device=lm.device
    )
    flow, logits = DecodeBatch.begin(lm, prompts)
    for step in range(draws.shape[1]):
        token = pick(logits, draws[:, step], temperature, nucleus)
        broken |= unsound(logits) & ~done
        done |= torch.isin(token, stops) | broken
        tokens[:, step] = torch.where(done, -1, token)
        done |= room <= step + 1
        if bool(done.all()) or step + 1 == draws.shape[1]:
            break
        logits = flow.step(lm, token)
    if bool(broken.any()):
        log.warning(
            "the model's numbers stop being finite in %d of %d texts, which end there", int(broken.sum()), len(prompts)
        )
    return [[int(i) for i in row if i >= 0] for row in tokens.cpu()]


def pick(logits: Tensor, draw: Tensor, temperature: float | Tensor, nucleus: Tensor | None = None) -> Tensor:
    """Return one token a row by inverting the cumulative distribution: (rows, vocabulary) -> (rows,).

    Whatever the numbers are, it is a token of the vocabulary; what it means where they are not finite, `unsound` tells.

    Args:
        logits: of the next token.
        draw: a number in [0, 1) for each row, (rows,).
        temperature: 0, and what is too small to divide by, is greedy; of all rows, or of each, (rows,).
        nucleus: only the most likely tokens that together have this probability, for each row, (rows,); by default all.
    """
    if not isinstance(temperature, Tensor):
        temperature = torch.full_like(draw, temperature)
    greedy = temperature < TINY
    if bool(greedy.all()):
        return logits.argmax(-1)
    heat = torch.where(greedy, 1.0, temperature)[:, None]
    if nucleus is None:
        drawn = _drawn(_odds(logits, heat), draw)
    else:
        drawn = _drawn_inside(logits, heat, nucleus.clamp(min=TINY)[:, None], draw, LIKELIEST)
    return torch.where(greedy, logits.argmax(-1), drawn) if bool(greedy.any()) else drawn


def _odds(logits: Tensor, heat: Tensor) -> Tensor:
    below = logits.float() - logits.float().amax(-1, keepdim=True)  # never above 0: no quotient overflows upwards
    return below.div_(heat).softmax(-1).nan_to_num_(0.0)


def _drawn(odds: Tensor, draw: Tensor) -> Tensor:
    """Return the column that each row's draw falls on, by the rising sum of its odds: (rows, columns), (rows,) -> (rows,)."""
    heights = odds.cumsum(-1)
    whole = heights[:, -1:].contiguous()
    drawn = torch.searchsorted(heights, draw[:, None] * whole, right=True)
    last = torch.searchsorted(heights, whole)  # rounding may take a draw to the top: no further than what is likely
    return torch.minimum(drawn, last)[:, 0]


def _drawn_inside(logits: Tensor, heat: Tensor, share: Tensor, draw: Tensor, most: int) -> Tensor:
    """Do the same among the likeliest tokens of each row that together have a share, (rows, 1), in the order of the vocabulary.

    Sorting a whole vocabulary takes as long as a good part of the model's pass. The `most` likeliest are enough for nearly every
    row; of the others more are looked at.
    """
    few = min(most, logits.shape[-1])
    falling, tokens = logits.topk(few, dim=-1)
    top = falling[:, :1].float()
    whole = (logits - top).div_(heat).exp_().sum(-1, keepdim=True)
    odds = ((falling - top) / heat).exp_().div_(whole).nan_to_num_(0.0)
    lacking = odds.sum(-1) < share[:, 0]
    tokens, order = tokens.sort(dim=-1)
    column = _drawn(_inside(odds, share).gather(-1, order), draw)
    drawn = tokens.gather(-1, column[:, None])[:, 0]
    if few < logits.shape[-1] and bool(lacking.any()):
        rows = lacking.nonzero()[:, 0]
        again = _drawn_inside(logits[rows], heat[rows], share[rows], draw[rows], few * MORE)
        drawn = drawn.index_copy(0, rows, again)
    return drawn


def _inside(falling: Tensor, share: Tensor) -> Tensor:
    """Return falling odds with 0 for those behind the first ones that together have a share; the first always stays."""
    before = falling.cumsum(-1) - falling  # probability of the tokens more likely than this one
    return falling.masked_fill(before >= share, 0.0)


def unsound(logits: Tensor) -> Tensor:
    """Return which rows have no next token, as their numbers are not finite: (rows, vocabulary) -> (rows,) bool.

    A logit of minus infinity forbids a token, and is no fault as long as another is allowed.
    """
    return ~torch.isfinite(logits.amax(-1))  # the greatest of numbers of which one is none is none


def check_manner(temperature: float, top_p: float = 1.0, tokens: int = 1, samples: int = 1) -> None:
    """Refuse numbers that can not be sampled with: the door of all that generates.

    Raises:
        UsageError: for another temperature than 0 to HOTTEST, another share than above 0 to 1, or less than 1 of the others.
    """
    if not (math.isfinite(temperature) and 0 <= temperature <= HOTTEST):
        raise UsageError(f"no temperature {temperature}", fix=f"Give one from 0, which is greedy, to {HOTTEST:g}.")
    if not 0 < top_p <= 1:
        raise UsageError(f"no top_p {top_p}", fix="Give a share of the probability: above 0, at most 1.")
    if tokens < 1 or samples < 1:
        raise UsageError(f"{samples} texts of {tokens} tokens are none", fix="Give 1 or more of both.")


def ends(lm: LM) -> set[int]:
    """Return the ids that end a text, from the generation config and the tokenizer."""
    configured = getattr(lm.model.generation_config, "eos_token_id", None)
    ends = set(configured) if isinstance(configured, list) else {configured}
    return {i for i in ends | {lm.tokenizer.eos_token_id} if i is not None}


def draws_of(prompt: Sequence[int], seed: int, sample: int, steps: int) -> Tensor:
    """Return the numbers in [0, 1) that pick the tokens of one sample of a prompt: (steps,)."""
    key = hashlib.sha256(f"{seed} {sample} {list(prompt)}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))
    return torch.rand(steps, generator=generator)
