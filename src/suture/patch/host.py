"""What a patch needs of a model; `suture.LM` is one. Keeps the room free of transformers."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Stage(Protocol):
    """What steering needs."""

    @property
    def backbone(self) -> nn.Module:
        """The decoder without its head, called once a pass."""

    def passage(self, tensor: str, place: str) -> tuple[nn.Module, str]:
        """Return the module of a tensor's block, and the side of it, where its activations pass (see `ActivationDelta`)."""


class Host(Stage, Protocol):
    """What a patch needs."""

    name: str
    fingerprint: str

    def tensor(self, name: str) -> Tensor:
        """Return a live tensor by its name in the checkpoint, in the checkpoint's layout."""

    def disk_dtype(self, tensor: str) -> torch.dtype:
        """Return the type the tensor has in the checkpoint."""

    def linear(self, tensor: str) -> tuple[nn.Module, bool]:
        """Return the module that applies a weight or bias, and whether the weight is stored (in, out)."""
