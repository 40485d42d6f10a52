"""Find the rows through which a direction moves the behaviour most for the damage it does to other text.

Ours; the first-order version of what Model Surgery hopes for when it chooses rows by their cosine. Adding alpha * w to
gate row i changes its pre-activation by alpha * (w . x_t) at every token t. With one backward pass over contrasts and one
over texts to keep, both consequences are known for every row of every block at once:

    gain_i   = sum_t (w . x_t) dS/dz_{t,i}                S = log P(wanted | start) - log P(unwanted | start)
    damage_i = sqrt( sum_t ((w . x_t) dL/dz_{t,i})^2 )    L = log-likelihood of the texts to keep
    score_i  = gain_i / (damage_i + damping)              w: (d_model,), z_t: (d_ff,), x_t: (d_model,)

Source of the damage term: the diagonal Fisher information, as in Kirkpatrick et al. 2017, "Overcoming catastrophic
forgetting in neural networks". Contrasts are made from the labelled texts: the first half of an unwanted text (or its
prompt) is continued by its own rest and by the rest of a wanted one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ..anatomy import Site
from ..examples import Behaviour, Texts
from ..lm import LM
from ..probe import Probe
from ..region import Region
from ..registry import locator
from ..tracing import trace

CONTRASTS = 128  # unwanted texts used, each with one wanted continuation
BATCH = 16
DAMPING = 0.1  # of the mean damage; rows that touch nothing would otherwise score without bound


@locator
def effect_rows(
    lm: LM,
    probe: Probe,
    behaviour: Behaviour,
    *,
    keep: Texts | None = None,
    rows: float = 0.006,
    layers: list[int] | None = None,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    seed: int = 0,
) -> Region:
    """Choose rows by gain over damage.

    Args:
        lm: the model.
        probe: the direction(s) that would be added.
        behaviour: labelled texts, to make contrasts from.
        keep: texts whose likelihood must not suffer (the wanted texts if there are none).
        rows: how many: a count when 1 or more, else a share of all candidates.
        layers: only these blocks.
        away_from: which of the probe's directions is added.
        seed: of the pairing.
    """
    probe.check(lm)
    part = lm.anatomy.layout.first
    searched = [w.site.layer for w in lm.anatomy.weights(part, layers)]
    directions = {layer: probe.direction(layer, away_from).to(lm.device).float() for layer in searched}
    mine = behaviour if away_from == "unwanted" else behaviour.reversed()
    pairs = _contrasts(lm, mine, random.Random(seed))
    kept = [(lm.encode(t), 1) for t in keep or ()] or [(lm.encode(e.text), 1) for e in mine.examples if not e.label]
    gain = _totals(
        lm, part, directions, [*((ids, at, +1.0) for ids, at in pairs[0]), *((ids, at, -1.0) for ids, at in pairs[1])]
    )
    damage = _totals(lm, part, directions, [(ids, at, 1.0) for ids, at in kept], squared=True)
    spread = {layer: total.sqrt() for layer, total in damage.items()}
    damping = DAMPING * torch.cat(list(spread.values())).mean()
    scores = {Site(layer, part): gain[layer] / (spread[layer] + damping) for layer in searched}
    about = {"by": "effect", "probe": probe.name, "space": probe.space, "away_from": away_from}
    return Region.choose(scores, rows, about, largest=True)


def _contrasts(lm: LM, behaviour: Behaviour, rng: random.Random) -> tuple[list[tuple[list[int], int]], ...]:
    """Return (wanted, unwanted) continuations of the same starts, as ids and where the continuation begins."""
    good = [e for e in behaviour.examples if not e.label]
    bad = [e for e in behaviour.examples if e.label]
    wanted, unwanted = [], []
    for example in rng.sample(bad, min(CONTRASTS, len(bad))):
        other = rng.choice([e for e in good if (e.prompt is None) == (example.prompt is None)] or good)
        if example.prompt is not None:
            wanted.append(lm.encode_chat(example.prompt, other.text))
            unwanted.append(lm.encode_chat(example.prompt, example.text))
            continue
        start, rest = _halves(example.text)
        for text, target in ((_halves(other.text)[1], wanted), (rest, unwanted)):
            target.append((lm.encode(f"{start} {text}"), len(lm.encode(start))))
    return wanted, unwanted


def _halves(text: str) -> tuple[str, str]:
    """Split a text after the sentence nearest its middle, or after half of its words."""
    ends = [i + 1 for i, c in enumerate(text[:-1]) if c in ".!?"]
    cut = min(ends, key=lambda i: abs(i - len(text) / 2)) if ends else text.find(" ", len(text) // 2)
    cut = cut if 0 < cut < len(text) else len(text) // 2
    return text[:cut].strip(), text[cut:].strip()


def _totals(
    lm: LM,
    part: str,
    directions: dict[int, Tensor],
    texts: Sequence[tuple[list[int], int, float]],
    *,
    squared: bool = False,
) -> dict[int, Tensor]:
    """Return for each block and row the sum over texts and tokens of (w . x) dS/dz, or of its square: (d_ff,) float64."""
    totals = {
        layer: torch.zeros(lm.anatomy.weight(Site(layer, part)).outputs, dtype=torch.float64) for layer in directions
    }
    inputs = {layer: Site(layer, "mlp.in") for layer in directions}
    for begin in range(0, len(texts), BATCH):
        chunk = texts[begin : begin + BATCH]
        batch = lm.batch([ids for ids, _, _ in chunk])
        pushes = {}  # a zero added to every pre-activation, whose gradient is dS/dz
        hooks = []
        try:
            for layer in directions:
                weight = lm.anatomy.weight(Site(layer, part))
                size = weight.stored.shape[1 if weight.transposed else 0]
                push = torch.zeros(*batch.ids.shape, size, device=lm.device, requires_grad=True)
                pushes[layer] = push
                hooks.append(
                    weight.module.register_forward_hook(lambda _, __, out, push=push: out + push.to(out.dtype))
                )
            places = torch.arange(1, batch.ids.shape[1], device=lm.device)
            starts = torch.tensor([at for _, at, _ in chunk], device=lm.device)
            signs = torch.tensor([sign for _, _, sign in chunk], device=lm.device)
            counted = batch.mask[:, 1:] * (places >= starts[:, None]) * signs[:, None]
            with torch.enable_grad(), trace(lm, list(inputs.values())) as seen:
                logits = lm.forward(batch).logits[:, :-1].float()
                loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch.ids[:, 1:], reduction="none")
                gradients = torch.autograd.grad(-(loss * counted).sum(), list(pushes.values()))
        finally:
            for hook in hooks:
                hook.remove()
        for (layer, direction), gradient in zip(directions.items(), gradients, strict=True):
            along = seen[inputs[layer]].detach().float() @ direction  # (batch, tokens)
            weight = lm.anatomy.weight(Site(layer, part))
            moved = along[..., None] * gradient[..., weight.start : weight.start + weight.outputs]
            totals[layer] += (moved.square() if squared else moved).sum((0, 1)).double().cpu()
    return totals
