"""How far predictions are from others, from their log-probabilities."""

from __future__ import annotations

from torch import Tensor


def kl_divergence(base: Tensor, now: Tensor) -> Tensor:
    """Return KL(base || now) of each prediction, in nats: (..., vocabulary), (..., vocabulary) -> (...)."""
    return (base.exp() * (base - now)).sum(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over what a mask of ones and zeros shows; both of one shape."""
    return (values * mask).sum() / mask.sum()
