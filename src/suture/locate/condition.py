"""When to steer: a direction in one block's output that tells the prompts to steer from the others, and its threshold.

Source: Lee et al. 2025, "Programming Refusal with Conditional Activation Steering" (CAST), section 3.
    steer  <=>  sim(m, c) > threshold       m: mean state of a prompt's tokens, (d_model,);  c: (d_model,)
Differs from the paper: decided for each row of a batch; sim is a signed cosine by default, and c the weight of a logistic
regression on m / |m|, on which that cosine is linear (harmless and harmful requests in the same words around them differ little
in their means); "cast" is the paper's cos(m, tanh(c c^T m / |c|^2)), with the difference of means. Block, threshold and penalty
of the regression are those of the best F1 on a third of the prompts, which the direction has not seen (the paper takes them from
the prompts that made it, where every block of a wide model looks perfect); of equals those with the widest gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.examples import Behaviour
from ..model.arch.anatomy import Site
from ..model.lm import LM, bucketed
from ..model.run.tracing import trace
from ..numerics.linalg import logistic_regression
from ..patch.runtime.steer import Likeness, likeness_of
from ..patch.runtime.steering_runtime import prompt_mean

HELD_OUT = 1 / 3  # of each class, to choose block and threshold by
FEWEST = 6  # prompts of a class below which all of them serve for both
PENALTIES = (1.0, 0.1, 0.01)  # L2, on features of mean square 1: what tells close families apart may need little


@dataclass(frozen=True, eq=False)
class Condition:
    """What decides whether a row is steered.

    Attributes:
        layer: the block whose output is read.
        vector: (d,) float32, grows with what is to be steered.
        threshold: of the likeness.
        likeness: see `Steer`.
        f1: on the held-out prompts (on all of them where there were too few to hold any out).
    """

    layer: int
    vector: Tensor
    threshold: float
    likeness: Likeness
    f1: float


def fit_condition(
    lm: LM, behaviour: Behaviour, layers: Sequence[int], *, likeness: Likeness = "cosine", seed: int = 0
) -> Condition:
    """Find the block, direction and threshold that tell the prompts of label 1 from those of label 0.

    Args:
        lm: the model.
        behaviour: labelled prompts: requests (their answers are not read), or plain texts.
        layers: blocks to choose from; they must lie before the first that is steered, or be it.
        likeness: how states are compared with the direction.
        seed: of the prompts held out.
    """
    if min(behaviour.labels.count(label) for label in (0, 1)) < FEWEST:
        train = test = behaviour
    else:
        train, test = behaviour.split(HELD_OUT, seed)
    labels, test_labels = (torch.tensor(part.labels) for part in (train, test))
    states, test_states = (_states(lm, part, layers) for part in (train, test))  # (texts, layers, d)
    candidates = []
    for index, layer in enumerate(layers):
        for vector in _directions(states[:, index], labels, likeness):
            threshold, f1, margin = _threshold(likeness_of(test_states[:, index], vector, likeness), test_labels)
            candidates.append((f1, margin, Condition(layer, vector, threshold, likeness, f1)))
    return max(candidates, key=lambda candidate: candidate[:2])[2]


def _states(lm: LM, behaviour: Behaviour, layers: Sequence[int]) -> Tensor:
    """Return the mean state of each prompt in each block: (texts, layers, d)."""
    rows = [lm.encode(e.text) if e.prompt is None else lm.encode_chat(e.prompt)[0] for e in behaviour.examples]
    return _means(lm, rows, layers)


def _directions(means: Tensor, labels: Tensor, likeness: Likeness) -> Iterator[Tensor]:
    """Yield directions that tell the classes apart: (texts, d), (texts,) -> (d,)."""
    if likeness == "cast":
        yield (means[labels == 1].double().mean(0) - means[labels == 0].double().mean(0)).float()
        return
    unit = torch.nn.functional.normalize(means.double(), dim=1) * means.shape[1] ** 0.5
    for penalty in PENALTIES:
        yield logistic_regression(unit, labels, penalty=penalty)[0].float()


@torch.no_grad()
def _means(lm: LM, rows: Sequence[Sequence[int]], layers: Sequence[int]) -> Tensor:
    sites = [Site(layer, "residual") for layer in layers]
    means = torch.zeros(len(rows), len(layers), lm.width)
    for group in bucketed([len(row) for row in rows]):
        batch = lm.batch([rows[i] for i in group])
        with trace(lm, sites, keep=lambda s, b=batch: prompt_mean(s, b.mask.bool()).cpu(), stop=True) as states:  # type: ignore[misc]
            lm.forward(batch, head=False)
        means[group] = torch.stack([states[site] for site in sites], dim=1)
    return means


def _threshold(scores: Tensor, labels: Tensor) -> tuple[float, float, float]:
    """Return the threshold of the best F1, that F1, and the relative gap around it."""
    order = scores.argsort(descending=True)
    hits = labels[order].double().cumsum(0)
    f1 = 2 * hits / (torch.arange(1, len(scores) + 1) + labels.sum())
    best = int(f1.argmax())
    low = scores[order[best + 1]] if best + 1 < len(scores) else scores[order[best]] - 1
    gap = float(scores[order[best]] - low)
    return float((scores[order[best]] + low) / 2), float(f1[best]), gap / (float(scores.std()) or 1.0)
