"""Between masks of checkpoint tensors and the live parameters that are trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ...locate.mask import Mask
from ...model.lm import LM
from ...patch.delta import Dense, Entries
from ...patch.delta_kind import Delta
from .masked import Part, Trained


def masked_parts(lm: LM, mask: Mask) -> list[Part]:
    """Return what to train when the mask's entries alone may change."""
    return [Part.of(lm, name, index=index) for name, index in places(lm, mask).items()]


def other_parts(lm: LM, parameters: Iterable[str], mask: Mask | None) -> list[Part]:
    """Return what to train when all entries of some live parameters may change, but for the mask's."""
    frozen = places(lm, mask) if mask else {}
    return [Part.of(lm, name, frozen=frozen.get(name)) for name in parameters]


def places(lm: LM, mask: Mask) -> dict[str, Tensor]:
    """Return a mask as sorted flat positions in live parameters, by their names."""
    positions: dict[str, list[Tensor]] = {}
    for tensor, index in mask.entries.items():
        form = lm.anatomy.form(tensor)
        positions.setdefault(form.live, []).append(form.positions(index))
    return {name: torch.cat(parts).sort().values for name, parts in positions.items()}


def entries(lm: LM, mask: Mask, parts: Sequence[Part]) -> dict[str, Delta]:
    """Return what training the mask's entries changed, by tensor of the checkpoint."""
    by_name = {part.name: part for part in parts}
    deltas: dict[str, Delta] = {}
    for tensor, index in mask.entries.items():
        form = lm.anatomy.form(tensor)
        part = by_name[form.live]
        assert part.index is not None
        where = torch.searchsorted(part.index.cpu(), form.positions(index))
        deltas[tensor] = Entries(index, part.change.cpu()[where])
    return deltas


def dense(lm: LM, parts: Sequence[Trained]) -> dict[str, Delta]:
    """Return what training whole parameters changed, by tensor of the checkpoint; tensors that stayed are left out."""
    shaped = {part.name: part.change.cpu().view(part.copy.shape) for part in parts if isinstance(part, Part)}
    deltas: dict[str, Delta] = {}
    for tensor in lm.anatomy.stored():
        form = lm.anatomy.form(tensor)
        if form.live in shaped:
            values = form.view(shaped[form.live]).contiguous()
            if bool(values.any()):
                deltas[tensor] = Dense(values)
    return deltas
