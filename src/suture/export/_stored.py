"""A checkpoint on disk as the base of a patch: its tensors, read one at a time; nothing of it is run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checkpoint.change.rows import Rows
from ..checkpoint.format.folder import Checkpoint
from ..checkpoint.format.header import Slot
from ..errors import UsageError


def stored(slot: Slot) -> Tensor:
    """Return a tensor as it is in its file."""
    return Rows(slot, slot.shape).current(torch.arange(slot.shape[0]))


@dataclass
class StoredModel:
    """A checkpoint on disk as the base of a patch; see `Host`."""

    checkpoint: Checkpoint
    name: str
    fingerprint: str = ""

    def tensor(self, name: str) -> Tensor:
        """Return a tensor as it is in its file."""
        return stored(self.checkpoint.slot(name))

    def disk_dtype(self, tensor: str) -> torch.dtype:
        """Return the type of a tensor in its file."""
        slot = self.checkpoint.slot(tensor)
        return Rows(slot, slot.shape).dtype

    @property
    def backbone(self) -> nn.Module:
        """There is none: nothing is run."""
        raise _no_run()

    def passage(self, tensor: str, place: str) -> tuple[nn.Module, str]:
        """There is none."""
        raise _no_run()

    def linear(self, tensor: str) -> tuple[nn.Module, bool]:
        """There is none."""
        raise _no_run()


def _no_run() -> UsageError:
    return UsageError("a checkpoint on disk can not be run", fix="Load it: suture.LM.load(FOLDER)")
