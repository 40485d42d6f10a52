import pytest
import torch

from suture.model.lm import LM
from suture.patch.delta import LowRank
from suture.patch.patch import Patch


@pytest.fixture
def low_rank():
    """Make a patch of random low-rank changes: `low_rank(lm, parts, rank)`; some rows, the first expert left alone."""

    def make(lm: LM, parts, rank=1, size=0.3, seed=0) -> Patch:
        generator = torch.Generator().manual_seed(seed)
        changes = {}
        for part in parts:
            for weight in lm.anatomy.weights(part):
                if weight.site.expert == 0:
                    continue
                out, read = weight.shape
                rows = torch.tensor([0, 1, out - 1])
                for _ in range(rank):
                    right = size * torch.randn(1, read, generator=generator)
                    change = LowRank(torch.randn(3, 1, generator=generator), right, rows)
                    changes.setdefault(weight.tensor, []).append(weight.place(change))
        return Patch.make(lm, changes, method="test", settings={"rank": rank})

    return make
