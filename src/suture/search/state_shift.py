"""How far a patch moves a model's final states, which makes strengths of any patch on any model comparable.

    shift(a) = mean_t |h_t(a) - h_t| / median_t |h_t|        h_t: (d_model,), what the head reads, of neutral texts

A search starts where the states hardly move and ends, whatever a budget allows, where they have moved by as much as they are
long: nothing of what the model read is sure to be left there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NoEffect
from ..model.arch.anatomy import FINAL
from ..model.lm import LM, bucketed
from ..model.run.tracing import trace
from ..patch.patch import Patch

START = 0.01  # shift at which a search begins
LIMIT = 1.0  # shift beyond which no strength is tried
TEXTS, TOKENS = 4, 32  # neutral texts read, and tokens of each
ROUNDS = 12  # of four doublings: 14 decades of strengths
LINEAR = 3  # doublings of START that are not looked at: a shift this small has grown with the strength


@dataclass(frozen=True)
class Span:
    """The strengths of a patch that are worth trying.

    Attributes:
        start: moves the final states by START of their length.
        limit: moves them by LIMIT, or the strongest that was looked at.
        why: what the limit is, for people.
    """

    start: float
    limit: float
    why: str = "the final states move by as much as they are long"

    def at(self, shift: float) -> float:
        """Return the strength that moves the states by a small share, as a shift grows with the strength at first."""
        return min(self.start * shift / START, self.limit)


def measured_span(lm: LM, patch: Patch, texts: Sequence[str]) -> Span:
    """Return where to look for the strength of a patch.

    Args:
        lm: the base model.
        patch: at strength 1.
        texts: neutral; the first TEXTS are read.

    Raises:
        NoEffect: when no strength moves the states.
    """
    strength, base = 1.0, final_states(lm, texts)
    for _ in range(ROUNDS):  # a shift grows with the strength where it is small, so that a step or two suffice
        (shift,) = state_shifts(lm, patch, [strength], texts, base)
        if START / 2 <= shift <= 2 * START:
            break
        strength *= min(max(START / shift, 2.0**-12), 2.0**12) if shift > 0 else 2.0**12
    if not shift > 0:
        raise NoEffect("the patch does not move the model's states", fix="Choose other rows or another direction.")
    start = strength * START / shift
    last = start * 2**LINEAR
    for _ in range(ROUNDS):
        more = [last * 2**step for step in range(1, 5)]
        for strength, shift in zip(more, state_shifts(lm, patch, more, texts, base), strict=True):
            if not shift < LIMIT:
                return Span(start, strength)
        last = more[-1]
    return Span(start, last, "no stronger one was looked at: the final states hardly move")


@torch.no_grad()
def final_states(lm: LM, texts: Sequence[str]) -> list[Tensor]:
    """Return what the head reads of the first TEXTS, TOKENS of each: (tokens, d_model) float32, the start token left out."""
    return _final(lm, _rows(lm, texts))


@torch.no_grad()
def state_shifts(
    lm: LM, patch: Patch, strengths: Sequence[float], texts: Sequence[str], base: list[Tensor] | None = None
) -> list[float]:
    """Return how far each strength moves the final states of texts, as a share of their length.

    Args:
        lm: the base model.
        patch: at strength 1.
        strengths: side by side in the same batches.
        texts: see `final_states`.
        base: what that returns without the patch, if already known.
    """
    rows, base = _rows(lm, texts), base or final_states(lm, texts)
    length = torch.cat(base).norm(dim=-1).median().clamp(min=torch.finfo(torch.float32).tiny)
    moved: list[list[Tensor]] = []
    if patch.attachable(lm):
        with patch.attached(lm) as dose:
            many = _final(
                lm, rows * len(strengths), lambda part: setattr(dose, "strength", _doses(part, strengths, rows))
            )
        moved = [many[i * len(rows) : (i + 1) * len(rows)] for i in range(len(strengths))]
    else:
        for strength in strengths:
            with (patch * strength).applied(lm):
                moved.append(_final(lm, rows))
    return [
        float(torch.cat([(a - b).norm(dim=-1) for a, b in zip(states, base, strict=True)]).mean() / length)
        for states in moved
    ]


def _rows(lm: LM, texts: Sequence[str]) -> list[list[int]]:
    return [lm.encode(text)[:TOKENS] for text in texts[:TEXTS]]


def _doses(part: Sequence[int], strengths: Sequence[float], rows: Sequence[object]) -> Tensor:
    return torch.tensor([strengths[index // len(rows)] for index in part])


def _final(
    lm: LM, rows: Sequence[list[int]], before: Callable[[Sequence[int]], None] = lambda part: None
) -> list[Tensor]:
    """Return what the head reads of each row, (tokens, d_model) float32, without its start token."""
    states: dict[int, Tensor] = {}
    for group in bucketed([len(row) for row in rows]):
        before(group)
        with trace(lm, [FINAL], stop=True) as captures:
            lm.forward(lm.batch([rows[i] for i in group]), head=False)
        for place, index in enumerate(group):
            first = 1 if rows[index][:1] == [lm.tokenizer.bos_token_id] and len(rows[index]) > 1 else 0
            states[index] = captures[FINAL][place, first : len(rows[index])].float().cpu()
    return [states[i] for i in range(len(rows))]
