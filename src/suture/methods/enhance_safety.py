"""Make a model safe by training the few weights that safety depends on most, and nothing else (SET).

Source: Qi et al. 2026, "Towards Identification and Intervention of Safety-Critical Parameters in Large Language Models",
Findings of ACL, safety enhancement tuning.
    minimise over d:  mean -log P(refusal | request; W + d) + locality * KL(P(.|t; W) || P(.|t; W + d)),   d = 0 off the mask
W, d: (out, in); the mask holds the 1 % of all parameters with the largest impact on safety (`safety_impact`); t are texts to
keep.
Differs from the paper: refusals are learned in the chat template, from where the answer begins; norms and biases stay as they
are; a KL on texts to keep (`locality=0` is the paper's objective); AdamW keeps its state for the mask alone.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from .. import registry
from ..data.bundled.neutral import neutral
from ..data.examples import Behaviour, Texts
from ..locate.mask import Mask
from ..locate.safety_impact import SHARE, Score, safety_impact
from ..model.lm import LM, Batch
from ..model.run.contrasts import CONTRASTS, Row, contrasts
from ..numerics.divergence import kl_divergence, masked_mean
from ..patch.patch import Patch
from ..registry import method
from ._trained.masked import Loss, Part, Schedule, answers_loss, drawn, forward, train
from ._trained.places import entries, masked_parts

KEPT, TOKENS = 4, 96  # texts to keep in each step, and tokens of each


@method
def enhance_safety(
    lm: LM,
    behaviours: Behaviour | list[Behaviour],
    *,
    share: float = SHARE,
    score: Score = "pairs",
    steps: int = 100,
    rate: float = 0.01,
    decay: float = 0.0,
    batch: int = 8,
    locality: float = 1.0,
    keep: Texts | None = None,
    examples: int = CONTRASTS,
    mask: Mask | None = None,
    seed: int = 0,
) -> Patch:
    """Make a patch that trains the critical weights towards refusals.

    Args:
        lm: the model; not changed.
        behaviours: labelled texts, 1 for unsafe; an unsafe text's request is to be answered by a safe one of the same set.
        share: of all parameters that are trained.
        score: what tells how safe the model is, see `safety_impact`.
        steps: of the optimiser.
        rate: of AdamW, in standard deviations of each tensor.
        decay: of the trained weights.
        batch: requests in a step.
        locality: weight of the KL on texts to keep, in nats per token.
        keep: texts to leave alone (bundled neutral texts by default).
        examples: unsafe requests used.
        mask: train these weights instead of finding them.
        seed: of the pairing and the order.
    """
    settings = registry.settings()
    many = [behaviours] if isinstance(behaviours, Behaviour) else behaviours
    together = Behaviour(" and ".join(b.name for b in many), tuple(e for b in many for e in b.examples))
    if mask is None:
        mask = safety_impact(lm, together, share=share, score=score, examples=examples, seed=seed)
    else:
        settings = {k: v for k, v in settings.items() if k not in ("share", "score")}
        settings["mask"] = {"by": mask.about.get("by", ""), "entries": mask.count, "of": mask.candidates}
    mask.check(lm)
    texts = keep or neutral("probe")
    refusals, _ = contrasts(lm, together, random.Random(seed), examples)
    parts = masked_parts(lm, mask)
    train(parts, _loss(lm, parts, refusals, texts, batch, locality, seed), Schedule(steps, rate, decay))
    about: dict[str, Any] = {"behaviours": [b.summary() for b in many], "keep": texts.summary()}
    return Patch.make(lm, dict(entries(lm, mask, parts)), method="enhance_safety", settings=settings, examples=about)


def _loss(lm: LM, parts: list[Part], refusals: list[Row], keep: Texts, batch: int, locality: float, seed: int) -> Loss:
    copies = {part.name: part.copy for part in parts}
    texts = [lm.encode(text)[:TOKENS] for text in keep] if locality else []

    def loss(step: int) -> Tensor:
        chosen = [refusals[i] for i in drawn(len(refusals), min(batch, len(refusals)), step, seed)]
        refusal_batch = lm.batch([ids for ids, _ in chosen])
        target_nll = answers_loss(forward(lm, copies, refusal_batch), refusal_batch, [begin for _, begin in chosen])
        if not texts:
            return target_nll
        text_batch = lm.batch([texts[i] for i in drawn(len(texts), min(KEPT, len(texts)), step, seed + 1)])
        return target_nll + locality * _kl_to_base(lm, copies, text_batch)

    return loss


def _kl_to_base(lm: LM, copies: dict[str, Tensor], batch: Batch) -> Tensor:
    """Return the KL per token between the base and the trained model, with its gradient."""
    with torch.no_grad():
        base = lm.forward(batch).logits.float().log_softmax(-1)
    now = forward(lm, copies, batch).log_softmax(-1)
    return masked_mean(kl_divergence(base, now), batch.mask)
