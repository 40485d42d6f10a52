"""Noise on chosen weights: if a mask holds what safety depends on, noise there must hurt safety more than elsewhere.

Source: Qi et al. 2026, "Towards Identification and Intervention of Safety-Critical Parameters in Large Language Models", and the
released code (perturbation.py).
    w' = w + strength * sigma(W) * n,   n ~ N(0, 1) for each entry w of the mask;   W: (out, in) the matrix w is in
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.lm import LM
from ..patch.delta import Entries
from ..patch.delta_kind import Delta
from ..patch.patch import Patch
from .mask import Mask

STRENGTH = 0.38  # standard deviations, as published


def perturbed(lm: LM, mask: Mask, *, strength: float = STRENGTH, seed: int = 0) -> Patch:
    """Return a patch that adds noise to the mask's entries.

    Args:
        lm: the model; not changed.
        mask: where.
        strength: of the noise, in standard deviations of each matrix.
        seed: of the noise.

    Raises:
        PatchMismatch: when the mask is for another model.
    """
    mask.check(lm)
    generator = torch.Generator().manual_seed(seed)
    changes: dict[str, Delta | list[Delta]] = {}
    for name, index in mask.entries.items():
        noise = torch.randn(len(index), generator=generator)
        changes[name] = Entries(index, strength * _sigmas(lm, name, index) * noise)
    settings = {"strength": strength, "seed": seed, "mask": {"by": mask.about.get("by", ""), "entries": mask.count}}
    return Patch.make(lm, changes, method="perturbed", settings=settings)


def _sigmas(lm: LM, tensor: str, index: Tensor) -> Tensor:
    """Return the standard deviation of the matrix that each entry of a tensor is in: (count,) float32."""
    sigmas = torch.full((len(index),), float(lm.tensor(tensor).float().std()))
    for weight in lm.anatomy.on(tensor):
        sigmas[weight.holds(index)] = float(weight.matrix().float().std())
    return sigmas
