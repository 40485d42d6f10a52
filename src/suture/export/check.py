"""Whether what was exported does what the patch does: the largest difference of a logit on given prompts.

A difference is judged by the largest logit, since that is what its rounding grows with:

    difference = max |found - wanted|  <=  tolerance * max(1, max |wanted|)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import NoEffect, VerificationFailed
from ..model.lm import LM
from ..patch.patch import Patch

PROMPTS = (  # used where none are given
    "You are a",
    "The capital of France is",
    "On Monday it rained, and Anna stayed at home to read a book.",
    "How do I bake a cake?",
)
# Of the largest logit. float32: order of additions alone. bf16: the patch rounds the change, then the sum, an adapter the
# sum alone, which is a last bit (2^-8) here and there in every layer (measured on the bundled model: 2^-6.3).
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.float16: 2**-8, torch.bfloat16: 2**-5}


@dataclass(frozen=True)
class Check:
    """How far the effect of an export is from that of its patch.

    Attributes:
        difference: largest difference of a logit.
        effect: largest change of a logit by the patch itself.
        logit: largest logit.
        tolerance: share of `logit` that `difference` may be; None for an approximation, which is not judged.
        tokens: positions compared.
        against: what the export was compared with, and how it was run.
    """

    difference: float
    effect: float
    logit: float
    tolerance: float | None
    tokens: int
    against: str

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance, or is not judged."""
        return self.tolerance is None or self.difference <= self.tolerance * max(1.0, self.logit)

    def demand(self, what: str) -> Check:
        """Return the check itself.

        Raises:
            VerificationFailed: unless it passed.
            NoEffect: when the patch moves no logit, so that the check says nothing.
        """
        if not self.effect:
            raise NoEffect(
                f"{what} can not be checked",
                why="The patch moves no logit of these prompts.",
                fix="Give prompts that it is for: `prompts=[TEXT]`",
            )
        if not self.passed:
            raise VerificationFailed(
                f"{what} does not do what the patch does",
                why=f"A logit differs by {self.difference:.3g}; the patch moves them by up to {self.effect:.3g}.",
                fix='Check it where rounding hides nothing: `dtype="float32"`'
                if self.tolerance is not None and self.tolerance > TOLERANCES[torch.float32]
                else "Do not use it; report this as a bug with the command and the model.",
            )
        return self


@torch.no_grad()
def logits(lm: LM, prompts: Sequence[str] = PROMPTS) -> list[Tensor]:
    """Return the logits of every position of each prompt: (tokens, vocabulary), one prompt at a time, so without padding."""
    return [lm.forward(lm.batch([lm.encode(prompt)])).logits[0].detach().clone() for prompt in prompts]


def compare(
    base: Sequence[Tensor], patched: Sequence[Tensor], exported: Sequence[Tensor], against: str, *, exact: bool = True
) -> Check:
    """Compare logits.

    Args:
        base: of the model as it is.
        patched: under the patch.
        exported: under what was exported.
        against: says what `patched` and `exported` are.
        exact: whether they should be equal but for rounding; else the difference is only reported.
    """
    tolerance = TOLERANCES[patched[0].dtype] if exact else None
    return Check(
        difference=max(_apart(a, b) for a, b in zip(exported, patched, strict=True)),
        effect=max(_apart(a, b) for a, b in zip(base, patched, strict=True)),
        logit=max(float(a.abs().max()) for a in patched),
        tolerance=tolerance,
        tokens=sum(len(a) for a in patched),
        against=against,
    )


@contextmanager
def unmerged(lm: LM, patch: Patch) -> Iterator[str]:
    """Have the effect of a patch without the rounding to the type on disk, which adapters do not know of; yields how.

    Attached where its tensors are linear layers' own; else merged in the type the model runs in.
    """
    if patch.attachable(lm):
        with patch.attached(lm):
            yield "the attached patch"
    else:
        patch.check_base(lm)
        with patch.applied(_Live(lm), force=True):
            yield "the patch merged without rounding to the type on disk"


class _Live:
    """A model whose checkpoint has the type it runs in."""

    def __init__(self, lm: LM) -> None:
        self.lm, self.name, self.fingerprint = lm, lm.name, lm.fingerprint
        self.tensor, self.linear, self.passage, self.backbone = lm.tensor, lm.linear, lm.passage, lm.backbone

    def disk_dtype(self, tensor: str) -> torch.dtype:
        return self.lm.tensor(tensor).dtype


def _apart(a: Tensor, b: Tensor) -> float:
    """Return the largest difference; infinite where one is NaN, or infinite, and the other is not."""
    same = (a == b) | (a.isnan() & b.isnan())
    return float((a.double() - b.double()).abs().masked_fill(same, 0).nan_to_num(nan=math.inf, posinf=math.inf).max())
