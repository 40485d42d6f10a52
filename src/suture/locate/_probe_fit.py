"""How a linear probe is fitted to the states of one layer, and how well it separates texts that were held out.

Source: Wang et al. 2025, "Model Surgery", eq. 1 and appendix A.2; see `probe`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..numerics.linalg import logistic_regression, roc_area

PAPER_RATE, PAPER_BATCH, PAPER_EPOCHS = 1e-4, 16, 9  # Table 14
Parity = Literal["paper"]


@dataclass(frozen=True)
class Score:
    """How well one probe separates two classes of texts.

    Attributes:
        train_accuracy: share of the fitted texts that are told right.
        accuracy: the same of those held out.
        auc: area under the ROC curve, held out.
        train: texts fitted.
        held_out: texts held out.
        apart: how far the held-out classes' means lie apart, in standard deviations within a class; 0 where it is not known.
    """

    train_accuracy: float
    accuracy: float
    auc: float
    train: int
    held_out: int
    apart: float = 0.0

    @property
    def rank(self) -> tuple[float, float]:
        """What places are compared by: where many tell all held-out texts apart, the one that does it with most room."""
        return self.auc, self.apart


def fit_layer(
    states: Tensor, labels: Tensor, count: int, *, parity: Parity | None, penalty: float, seed: int
) -> tuple[Tensor, Tensor, float, Score]:
    """Return the directions wanted and unwanted, their bias and the score, of one layer; the first `count` texts are fitted."""
    x, y = states[:count], labels[:count]
    wanted, unwanted, bias = _fit_paper(x, y, seed) if parity == "paper" else _fit(x, y, penalty)
    logit = states.double() @ (unwanted - wanted).double() + bias
    return wanted, unwanted, bias, score_of(logit, labels, count)


def _fit(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor, float]:
    """Return wanted, unwanted (d,) and bias; w is split evenly, so that unwanted - wanted is the fitted weight."""
    scale = float(x.double().square().mean().sqrt()) or 1.0
    weight, bias = logistic_regression(x / scale, y, penalty=penalty)
    half = (weight / scale / 2).float()
    return -half, half, bias


def _fit_paper(x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor, float]:
    """Train nn.Linear(d, 2) as the paper does (A.2): its rows are not exact opposites."""
    generator = torch.Generator().manual_seed(seed)
    bound = 1 / math.sqrt(x.shape[1])  # PyTorch's own initialisation of a linear layer
    weight = ((torch.rand(2, x.shape[1], generator=generator) * 2 - 1) * bound).requires_grad_()
    bias = ((torch.rand(2, generator=generator) * 2 - 1) * bound).requires_grad_()
    optimiser = torch.optim.Adam([weight, bias], lr=PAPER_RATE)
    with torch.enable_grad():
        for _ in range(PAPER_EPOCHS):
            for part in torch.randperm(len(x), generator=generator).split(PAPER_BATCH):
                loss = torch.nn.functional.cross_entropy(x[part] @ weight.T + bias, y[part])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    weight, bias = weight.detach(), bias.detach()
    return weight[0].clone(), weight[1].clone(), float(bias[1] - bias[0])


def score_of(logit: Tensor, labels: Tensor, train: int) -> Score:
    """Return how well a logit separates the first `train` texts and the rest: (texts,), (texts,) of 0 and 1."""
    right = ((logit > 0).long() == labels).double()
    return Score(
        train_accuracy=float(right[:train].mean()),
        accuracy=float(right[train:].mean()),
        auc=roc_area(logit[train:], labels[train:]),
        train=train,
        held_out=len(labels) - train,
        apart=_distance(logit[train:].double(), labels[train:]),
    )


def _distance(logit: Tensor, labels: Tensor) -> float:
    """Return how far two classes' means lie apart, in standard deviations within a class; 0 of too few texts to say."""
    classes = [logit[labels == label] for label in (0, 1)]
    freedom = len(logit) - 2
    if freedom < 1 or not all(map(len, classes)):
        return 0.0
    spread = (sum(((one - one.mean()) ** 2).sum() for one in classes) / freedom) ** 0.5
    return float((classes[1].mean() - classes[0].mean()) / spread) if spread > 0 else 0.0
