"""Write facts by training one MLP's down-projection: the baseline every editing method has to beat (FT-L, FT-M).

Source: Zhu et al. 2020, "Modifying Memories in Transformer Models", eq. 4; Meng et al. 2022, "Locating and Editing Factual
Associations in GPT", section 4; Zhang et al. 2024, "A Comprehensive Study of Knowledge Editing", section 4 (FT-M).
    minimise over D:  mean_i -log P(o_i | p_i; W + D) + locality * KL(P(.|t; W) || P(.|t; W + D)),   |D|_max <= limit
D, W: (d_model, d_ff); o_i is a target, p_i its prompt, t are texts to keep. `loss="target"` counts every token of the target
after those before it (FT-M); "prompt_last" asks all of them of the prompt's last position, as the code behind FT-L does.
Differs from the papers: Adam moves a float32 change, never the stored weights; the gradient goes through the KL, too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from ..anatomy import Site
from ..data import neutral
from ..delta import Dense
from ..examples import Fact, Texts
from ..fact_files import agreeing
from ..fact_rows import Row, encode
from ..lm import LM, Batch
from ..patch import Patch
from ..registry import method
from ..tracing import trace
from ._batches import summary
from ._keyvalue import chosen_layer, down

KEPT, TOKENS = 8, 64  # texts to keep in each step, and tokens of each
Loss = Literal["target", "prompt_last"]


@method
def finetune(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    loss: Loss = "target",
    limit: float | None = None,
    locality: float = 0.0,
    steps: int = 25,
    rate: float = 5e-4,
    stop: float = 1e-2,
    batch: int = 32,
    keep: Texts | None = None,
    seed: int = 0,
) -> Patch:
    """Make a fine-tuning patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layer: the block to edit (an early one by default; measure).
        loss: "target" (FT-M) or "prompt_last" (FT-L).
        limit: the most that any weight may move (FT-L: 5e-4 for GPT-2 XL, 5e-5 for GPT-J); none by default.
        locality: weight of the KL on texts to keep, in nats per token.
        steps: passes over all facts at most.
        rate: of Adam.
        stop: mean loss of a pass at which to end.
        batch: facts a step.
        keep: texts for `locality` (bundled neutral texts by default).
        seed: of the order, and of which texts are kept in which step.
    """
    settings = {k: v for k, v in locals().items() if k not in ("lm", "facts", "keep")}
    facts, kept, rng = agreeing(facts), keep or neutral("probe"), random.Random(seed)
    layer = chosen_layer(lm, layer)
    weight = down(lm, layer)
    rows = [encode(lm, fact.prompt, fact.subject, fact.target) for fact in facts]
    change = torch.zeros(weight.shape, device=lm.device, requires_grad=True)  # (d_model, d_ff)
    adam = torch.optim.Adam([change], lr=rate)
    for _ in range(steps):
        order, total = rng.sample(rows, len(rows)), 0.0
        for begin in range(0, len(order), batch):
            part = order[begin : begin + batch]
            with torch.enable_grad():
                asked = _asked(lm, part, layer, change, loss)
                strayed = _strayed(lm, rng.sample(kept, min(KEPT, len(kept))), layer, change) if locality else 0.0
                (change.grad,) = torch.autograd.grad(asked + locality * strayed, change)
            total += float(asked.detach()) * len(part) / len(rows)
            adam.step()
            if limit is not None:
                change.data.clamp_(-limit, limit)
        if total < stop:
            break
    values = change.detach().float().cpu()
    delta = Dense((values.T if weight.transposed else values).contiguous())
    examples = {"facts": summary(facts), "keep": kept.summary()}
    return Patch.make(lm, {weight.tensor: delta}, method="finetune", settings=settings, examples=examples)


@contextmanager
def _with(lm: LM, layer: int, change: Tensor) -> Iterator[None]:
    """Add what a change of the down-projection would add, leaving the weight alone."""
    key, out = Site(layer, "mlp.key"), Site(layer, "mlp.out")
    with trace(lm, [key], edit={out: lambda value: value + (seen[key].float() @ change.T).to(value)}) as seen:
        yield


def _asked(lm: LM, rows: Sequence[Row], layer: int, change: Tensor, loss: Loss) -> Tensor:
    """Return the mean loss of the targets."""
    told = lm.batch([row.ids for row in rows])
    begins = torch.tensor([row.begin for row in rows], device=lm.device)
    places = torch.arange(told.ids.shape[1], device=lm.device).expand_as(told.ids)
    scored = (places >= begins[:, None]) & told.mask.bool()
    read = (begins[:, None] - 1).expand_as(told.ids) if loss == "prompt_last" else (places - 1).clamp(min=0)
    with _with(lm, layer, change):
        likely = lm.forward(told).logits.float().log_softmax(-1)  # (facts, tokens, vocabulary)
    each = likely[torch.arange(len(rows), device=lm.device)[:, None], read, told.ids]
    return -((each * scored).sum(1) / scored.sum(1)).mean()


def _strayed(lm: LM, texts: Sequence[str], layer: int, change: Tensor) -> Tensor:
    """Return the KL per token between the base and the changed model on texts."""
    batch: Batch = lm.batch([lm.encode(text)[:TOKENS] for text in texts])
    with torch.no_grad():
        base = lm.forward(batch).logits.float().log_softmax(-1)
    with _with(lm, layer, change):
        now = lm.forward(batch).logits.float().log_softmax(-1)
    each = (base.exp() * (base - now)).sum(-1)
    return (each * batch.mask).sum() / batch.mask.sum()
