"""The steps of the search for values."""

import torch

from suture.methods._facts.search import _MaskedAdam


def test_masked_steps_are_adam_s_and_the_other_rows_stand_still():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(3, 4, 2, 5, generator=generator)
    values, expected = torch.zeros(4, 2, 5), torch.zeros(4, 2, 5, requires_grad=True)
    adam, reference = _MaskedAdam.like(values), torch.optim.Adam([expected], lr=0.1)
    rows, rate = torch.tensor([True, False, True, True]), torch.full((3, 1, 1), 0.1)
    for gradient in gradients:
        values[rows] = adam.moved(values, gradient, rows, rate)
        expected.grad = gradient
        reference.step()
    assert torch.allclose(values[rows], expected.detach()[rows], atol=1e-6)
    assert not values[1].any()
    assert adam.steps.tolist() == [3, 0, 3, 3]
