"""Shared linear algebra: a deterministic logistic regression, cosines, the area under a ROC curve."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def logistic_regression(
    features: Tensor, labels: Tensor, *, penalty: float = 1.0, steps: int = 100
) -> tuple[Tensor, float]:
    """Fit P(y = 1 | x) = sigmoid(w.x + b) by Newton's method; deterministic, no random start.

    Minimises  sum_i log(1 + exp(-s_i (w.x_i + b))) + penalty / 2 |w|^2  with s_i = 2 y_i - 1, the bias unpenalised: the
    objective of scikit-learn's LogisticRegression(C=1/penalty). With fewer examples than dimensions it is solved in the
    span of the examples, where the optimum lies, so the cost is min(n, d)^3 a step.

    Args:
        features: (examples, d), any float dtype; computed in float64.
        labels: (examples,) of 0 and 1.
        penalty: L2 strength.
        steps: most Newton steps; each is halved until the loss falls.

    Returns:
        Weight (d,) float64 and bias.
    """
    x, y = features.double(), labels.double()
    basis: Tensor | None = None
    if x.shape[0] < x.shape[1]:
        basis = torch.linalg.qr(x.T)[0]  # (d, n)
        x = x @ basis
    design = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], dim=1)  # (n, d + 1)
    ridge = torch.full((design.shape[1],), penalty, dtype=torch.float64)
    ridge[-1] = 0.0
    theta = torch.zeros(design.shape[1], dtype=torch.float64)

    def loss(at: Tensor) -> Tensor:
        margin = (design @ at) * (2 * y - 1)
        return torch.nn.functional.softplus(-margin).sum() + 0.5 * (ridge * at * at).sum()

    current = loss(theta)
    for _ in range(steps):
        p = torch.sigmoid(design @ theta)
        gradient = design.T @ (p - y) + ridge * theta
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + torch.diag(ridge)
        curvature.diagonal().add_(1e-12 * curvature.diagonal().mean())
        step = torch.linalg.solve(curvature, gradient)
        scale = 1.0
        while scale > 1e-8 and loss(theta - scale * step) > current:
            scale /= 2
        theta = theta - scale * step
        previous, current = current, loss(theta)
        if previous - current <= 1e-12 * previous.abs():
            break
    weight, bias = theta[:-1], float(theta[-1])
    return (weight if basis is None else basis @ weight), bias


def cosines(rows: Tensor, direction: Tensor) -> Tensor:
    """Return the cosine of each row with a direction: (n, d), (d,) -> (n,) float32. A zero row has cosine 0."""
    rows, direction = rows.float(), direction.float().to(rows.device)
    return (rows @ direction) / (rows.norm(dim=1) * direction.norm()).clamp(min=1e-30)


def cosine_table(directions: Tensor) -> list[list[float]]:
    """Return the cosine of every direction with every other, to four digits: (n, d) -> n lists of n."""
    unit = torch.nn.functional.normalize(directions.double(), dim=1)
    return [[round(cosine, 4) for cosine in row] for row in (unit @ unit.T).tolist()]


def mean_norm(rows: Tensor) -> float:
    """Return the mean length of vectors, (n, d), the same to the last bit wherever they lie in memory.

    Vectorised sums in float32 depend on the alignment of their operand, so that a tensor read from a file may have another
    norm than its twin that was just computed.
    """
    lengths = rows.double().norm(dim=1).float().tolist()
    return math.fsum(lengths) / len(lengths)


def roc_area(scores: Tensor, labels: Tensor) -> float:
    """Return the probability that a positive scores above a negative, ties counted half; nan without both classes."""
    positive, negative = scores[labels == 1].double(), scores[labels == 0].double()
    if not len(positive) or not len(negative):
        return float("nan")
    order = negative.sort().values
    below = torch.searchsorted(order, positive, right=False).double()
    upto = torch.searchsorted(order, positive, right=True).double()
    return float((below + upto).sum() / (2 * len(positive) * len(negative)))
