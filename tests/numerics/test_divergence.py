import torch

from suture.numerics.divergence import kl_divergence, masked_mean


def test_the_divergence_is_that_of_torch_and_nothing_from_itself():
    generator = torch.Generator().manual_seed(0)
    base, now = torch.randn(2, 3, 4, 5, generator=generator).log_softmax(-1)
    expected = torch.nn.functional.kl_div(now, base, log_target=True, reduction="none").sum(-1)
    assert torch.allclose(kl_divergence(base, now), expected, atol=1e-6)
    assert not kl_divergence(base, base).any()


def test_a_masked_mean_counts_what_is_shown():
    assert masked_mean(torch.tensor([[1.0, 2.0, 50.0]]), torch.tensor([[1, 1, 0]])) == 1.5
