import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from suture.numerics.linalg import cosines, logistic_regression, roc_area


@pytest.mark.parametrize(("examples", "width", "penalty"), [(200, 6, 1.0), (30, 80, 1.0), (60, 60, 0.1)])
def test_the_fit_is_scikit_learns_optimum(examples, width, penalty):
    g = torch.Generator().manual_seed(examples)
    x = torch.randn(examples, width, generator=g, dtype=torch.float64)
    y = (x[:, 0] + 0.5 * torch.randn(examples, generator=g, dtype=torch.float64) > 0.2).long()
    weight, bias = logistic_regression(x, y, penalty=penalty)
    reference = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(x.numpy(), y.numpy())
    assert torch.allclose(weight, torch.from_numpy(reference.coef_[0]), atol=1e-4)
    assert bias == pytest.approx(reference.intercept_[0], abs=1e-4)


def test_the_gradient_is_zero_at_the_fit_even_when_separable():
    x = torch.cat([torch.randn(40, 5) + 10, torch.randn(40, 5) - 10]).double()
    y = torch.tensor([1] * 40 + [0] * 40)
    weight, bias = logistic_regression(x, y, penalty=0.5)
    gradient = x.T @ (torch.sigmoid(x @ weight + bias) - y) + 0.5 * weight
    assert gradient.abs().max() < 1e-6


def test_planted_classes_give_their_direction():
    mean = torch.randn(16, generator=torch.Generator().manual_seed(0))
    y = torch.arange(400) % 2
    x = torch.randn(400, 16, generator=torch.Generator().manual_seed(1)) + (2 * y[:, None] - 1) * mean
    weight, _ = logistic_regression(x, y)
    assert torch.cosine_similarity(weight.float(), mean, dim=0) > 0.9


def test_area_under_the_curve_counts_ties_half():
    scores, labels = torch.tensor([0.1, 0.5, 0.5, 0.5, 0.9, 0.2]), torch.tensor([0, 0, 1, 1, 1, 0])
    assert roc_area(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert math.isnan(roc_area(scores, torch.ones(6)))


def test_cosines_of_a_zero_row_is_zero():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [-4.0, 3.0]])
    assert torch.allclose(cosines(rows, torch.tensor([6.0, 8.0])), torch.tensor([0.0, 1.0, 0.0]))
