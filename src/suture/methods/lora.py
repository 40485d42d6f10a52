"""Write facts by training a low-rank change of several matrices (LoRA), a patch that leaves as the adapter it is.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", eq. 3.
    W' = W + (a / r) B A      W: (out, in)   A: (r, in) random at first   B: (out, r) zero at first
    minimise over A, B:  mean_i -log P(o_i | p_i) + locality * KL(P(.|t; W) || P(.|t; W'))
o_i is a target, p_i its prompt; t are texts to keep. `suture export` writes the patch as a PEFT adapter, factor for factor.
Differs from the paper: no dropout (its noise is for long training on much data); the KL.
"""

from __future__ import annotations

import torch

from .. import registry
from ..data.bundled.neutral import neutral
from ..data.examples import Fact, Texts
from ..data.fact_files import agreeing
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import summary
from ._facts.keyvalue import chosen_layer
from ._trained.loop import Factors, TrainingConfig, deltas, lines, objective, train


@method
def lora(
    lm: LM,
    facts: list[Fact],
    *,
    rank: int = 8,
    alpha: float = 32.0,
    sites: list[str] | None = None,
    layers: list[int] | None = None,
    locality: float = 0.0,
    decay: float = 0.0,
    steps: int = 70,
    rate: float = 5e-3,
    stop: float = 1e-2,
    batch: int = 32,
    keep: Texts | None = None,
    seed: int = 0,
) -> Patch:
    """Make a LoRA patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        rank: r above.
        alpha: a above.
        sites: the matrices to change, such as mlp.down (attn.q and attn.v by default).
        layers: only these blocks (all by default).
        locality: weight of the KL on texts to keep, in nats per token.
        decay: weight decay of Adam, on both factors.
        steps: passes over all facts at most.
        rate: of Adam.
        stop: mean loss of a pass at which to end.
        batch: facts a step.
        keep: texts for `locality` (bundled neutral texts by default).
        seed: of A, of the order, and of which texts are kept in which step.
    """
    settings = registry.settings()
    facts, texts, generator = agreeing(facts), keep or neutral("probe"), torch.Generator().manual_seed(seed)
    blocks = None if layers is None else sorted({chosen_layer(lm, layer) for layer in layers})
    weights = [weight for site in sites or ["attn.q", "attn.v"] for weight in lm.anatomy.weights(site, blocks)]
    changes = [Factors.of(weight, rank, alpha / rank, generator) for weight in weights]
    course = TrainingConfig(steps=steps, rate=rate, stop=stop, batch=batch, decay=decay, seed=seed)
    train(changes, lines(lm, facts), objective(lm, changes, locality=locality, keep=texts, seed=seed), course)
    examples = {"facts": summary(facts), "keep": texts.summary()}
    return Patch.make(lm, deltas(changes), method="lora", settings=settings, examples=examples)
