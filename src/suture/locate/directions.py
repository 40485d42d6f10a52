"""Read a behaviour's direction in every block: difference of means, pairs, principal component, logistic probe, or heads.

Sources: "means": Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction", eq. 2; "paired":
Rimsky et al. 2024, "Steering Llama 2 via Contrastive Activation Addition"; "pca": Zou et al. 2023, "Representation
Engineering"; "heads": Li et al. 2023, "Inference-Time Intervention".
    means      r = mean(h+) - mean(h-)                              h: (d_model,), + is unwanted (label 1)
    paired     r = mean_i(h+_i - h-_i)                              pairs share a prompt, or their number in the order
    pca        r = first right singular vector of D, D_i = h+_i - h-_i : (pairs, d_model), sign and length of mean(D) . r
    logistic   r = w of a logistic regression
    heads      r_h = sigma_h * theta_h in the heads whose probes separate best, 0 in the others; theta_h : (head_dim,)
Means are taken in float64. Differs from the sources: D is not centred (centring ordered pairs removes the very direction
looked for); a share of each class is held out, and every block is scored on it; start tokens and sinks never count.
"""

from __future__ import annotations

import random
from typing import Literal

import torch
from torch import Tensor

from ..data.examples import Behaviour
from ..errors import DataError, UsageError
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..model.run.features import extract
from ..model.run.pooling import Pool
from ..numerics.linalg import logistic_regression, roc_area
from ..registry import locator
from ..text.phase import Progress
from .direction import Direction
from .probe import HELD_OUT, score_of

Kind = Literal["means", "paired", "pca", "logistic", "heads"]
HEADS = 48 / 1024  # share of the heads that ITI uses (48 of LLaMA-7B's 1024)
PENALTY = 1.0  # L2 of the logistic probe, on features scaled to mean square 1


@locator
def directions(
    lm: LM,
    behaviour: Behaviour,
    *,
    kind: Kind = "means",
    pool: Pool = "response",
    back: int = 0,
    layers: list[int] | None = None,
    heads: float = HEADS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Direction:
    """Read a direction in each block, and how well it separates held-out texts there.

    Args:
        lm: the model.
        behaviour: labelled texts; texts with a prompt are written with the chat template.
        kind: how the direction is computed, see the module's docstring.
        pool: the tokens read; "decision" is the last token before the answer, "last" the last of the text.
        back: read this many tokens earlier: with "decision" the tokens of the template before the answer, with "last" and 1
            the letter of an answer such as "(A)".
        layers: only these blocks.
        heads: how many heads "heads" uses over all blocks: a count when 1 or more, else a share.
        seed: of the held-out share.
        progress: called with ("texts", texts read, of).

    Raises:
        DataError: when "paired" or "pca" find fewer than two pairs.
    """
    space: Literal["heads", "residual"] = "heads" if kind == "heads" else "residual"
    chosen = sorted(range(lm.anatomy.layers) if layers is None else layers)
    sites = [Site(layer, "attn.heads" if kind == "heads" else "residual") for layer in chosen]
    labels = torch.tensor(behaviour.labels)
    states = extract(lm, behaviour.examples, sites, pool=pool, back=back, see=_with_length, progress=progress)
    sizes = states[..., -1].mean(0)  # (layers,)
    states = states[..., :-1].double()  # (texts, layers, d)
    train, held_out, pairs = _divide(behaviour, kind in ("paired", "pca"), seed)
    order = torch.tensor([*train, *held_out])
    if kind == "heads":
        vectors = _heads(lm, states[train], labels[train], states[held_out], labels[held_out], heads)
    else:
        make = {"means": _means, "paired": _paired, "pca": _pca, "logistic": _logistic}[kind]
        vectors = torch.stack([make(states[:, i], labels, train, pairs) for i in range(len(chosen))])
    unit = torch.nn.functional.normalize(vectors, dim=1)
    along = torch.einsum("tld,ld->tl", states, unit)  # (texts, layers)
    levels = torch.stack([along[[i for i in train if labels[i] == label]].mean(0) for label in (0, 1)], dim=1)
    middle = levels.mean(1)
    scores = [score_of((along[:, i] - middle[i])[order], labels[order], len(train)) for i in range(len(chosen))]
    about = {"kind": kind, "pool": pool, "back": back, "seed": seed, "examples": behaviour.summary()}
    return Direction(behaviour.name, space, chosen, vectors.float(), sizes, levels.float(), scores, about)


def _with_length(states: Tensor) -> Tensor:
    """Return the states with their length as one channel more, so that it is pooled with them: (..., d + 1)."""
    return torch.cat([states, states.norm(dim=-1, keepdim=True)], dim=-1)


def _divide(behaviour: Behaviour, paired: bool, seed: int) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Return the numbers of training and held-out texts, and the pairs (wanted, unwanted) among the former."""
    rng = random.Random(seed)
    pairs = _pairs(behaviour) if paired else []
    if paired and len(pairs) < 2:
        raise DataError(f"{behaviour.name}: {len(pairs)} pairs are too few", fix='Use kind="means".')
    held_out: set[int] = set()
    if paired:
        out = rng.sample(pairs, min(max(1, round(HELD_OUT * len(pairs))), len(pairs) - 1))
        held_out = {i for pair in out for i in pair}
        pairs = [pair for pair in pairs if pair not in out]
    else:
        for label in (0, 1):
            numbers = [i for i, text_label in enumerate(behaviour.labels) if text_label == label]
            held_out |= set(rng.sample(numbers, min(max(1, round(HELD_OUT * len(numbers))), len(numbers) - 1)))
    return [i for i in range(len(behaviour.examples)) if i not in held_out], sorted(held_out), pairs


def _pairs(behaviour: Behaviour) -> list[tuple[int, int]]:
    """Pair wanted with unwanted texts: of the same prompt where there are such, the others in their order."""
    waiting: dict[str | None, list[int]] = {}
    for i, example in enumerate(behaviour.examples):
        if not example.label:
            waiting.setdefault(example.prompt, []).append(i)
    bad = [i for i, example in enumerate(behaviour.examples) if example.label]
    partners = {i: queue.pop(0) for i in bad if (queue := waiting.get(behaviour.examples[i].prompt))}
    rest = sorted(i for queue in waiting.values() for i in queue)
    partners |= dict(zip((i for i in bad if i not in partners), rest, strict=False))
    return sorted((good, i) for i, good in partners.items())


def _means(states: Tensor, labels: Tensor, train: list[int], pairs: list[tuple[int, int]]) -> Tensor:
    rows, classes = states[train], labels[train]
    return rows[classes == 1].mean(0) - rows[classes == 0].mean(0)


def _paired(states: Tensor, labels: Tensor, train: list[int], pairs: list[tuple[int, int]]) -> Tensor:
    good, bad = (torch.tensor(side) for side in zip(*pairs, strict=True))
    return (states[bad] - states[good]).mean(0)


def _pca(states: Tensor, labels: Tensor, train: list[int], pairs: list[tuple[int, int]]) -> Tensor:
    good, bad = (torch.tensor(side) for side in zip(*pairs, strict=True))
    apart = states[bad] - states[good]  # (pairs, d)
    first = torch.linalg.svd(apart, full_matrices=False).Vh[0]
    return first * (apart @ first).mean()


def _logistic(states: Tensor, labels: Tensor, train: list[int], pairs: list[tuple[int, int]]) -> Tensor:
    scale = float(states[train].square().mean().sqrt()) or 1.0
    return logistic_regression(states[train] / scale, labels[train], penalty=PENALTY)[0] / scale


def _heads(lm: LM, x: Tensor, y: Tensor, held_out: Tensor, labels: Tensor, heads: float) -> Tensor:
    """Return sigma * theta of the best heads: (texts, layers, heads * head_dim) -> (layers, heads * head_dim)."""
    number = int(lm.model.config.num_attention_heads)
    count = int(heads) if heads >= 1 else max(1, round(heads * number * x.shape[1]))
    if not 1 <= count <= number * x.shape[1]:
        raise UsageError(f"can not choose {heads:g} heads", why=f"There are {number * x.shape[1]}.", fix="Give fewer.")
    x, held_out = (part.unflatten(2, (number, -1)) for part in (x, held_out))  # (texts, layers, heads, head_dim)
    theta = torch.nn.functional.normalize(x[y == 1].mean(0) - x[y == 0].mean(0), dim=-1)
    sigma = torch.einsum("tlhd,lhd->tlh", x, theta).std(0)  # (layers, heads)
    auc = torch.zeros_like(sigma)
    for layer in range(x.shape[1]):
        for head in range(number):
            train, test = (part[:, layer, head] for part in (x, held_out))
            weight, _ = logistic_regression(train / (float(train.square().mean().sqrt()) or 1.0), y, penalty=PENALTY)
            auc[layer, head] = roc_area(test @ weight, labels)
    best = auc.flatten().argsort(descending=True, stable=True)[:count]
    chosen = torch.zeros(auc.numel(), dtype=torch.bool)
    chosen[best] = True
    return (theta * (sigma * chosen.view_as(sigma))[..., None]).flatten(1)
