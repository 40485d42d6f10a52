"""A mask: single entries of weights that a locator chose, by their place in the checkpoint's tensors.

A file holds for each tensor the gaps between chosen places, a byte each (255: "255 and more to come"), so one per cent of a model
takes about a byte an entry instead of eight.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CorruptFile, PatchMismatch, UsageError
from ..io import tensorfile
from ..model.lm import LM

FORMAT = "suture.mask/1"
MORE = 255  # a byte that says the gap goes on


@dataclass(frozen=True, eq=False)
class Mask:
    """Chosen entries.

    Attributes:
        entries: for each tensor of the checkpoint the sorted, unique positions in the flattened tensor, int64.
        shapes: of these tensors.
        candidates: how many entries there were to choose from.
        about: how they were chosen; after `safety_impact` with a line for each weight ("cells").
    """

    entries: Mapping[str, Tensor]
    shapes: Mapping[str, tuple[int, ...]]
    candidates: int
    about: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of chosen entries."""
        return sum(len(index) for index in self.entries.values())

    def check(self, lm: LM) -> None:
        """Raise PatchMismatch unless the model has tensors of these names and shapes."""
        for name, shape in self.shapes.items():
            try:
                shape_here = tuple(lm.tensor(name).shape)
            except UsageError as problem:
                raise PatchMismatch(problem.what, why=problem.why, fix=problem.fix) from problem
            if shape_here != shape:
                raise PatchMismatch(
                    f"the mask is for another model: {name}",
                    why=f"It has shape {shape_here} here, {shape} there.",
                    fix="Locate it on this model: suture locate safety_impact MODEL",
                )

    def save(self, path: str | Path) -> Path:
        """Write the mask as a safetensors file."""
        tensors = {name: _packed(index) for name, index in self.entries.items()}
        content = {
            "shapes": {name: list(shape) for name, shape in self.shapes.items()},
            "counts": {name: len(index) for name, index in self.entries.items()},
            "candidates": self.candidates,
            "about": self.about,
        }
        metadata = {"format": FORMAT, "content": json.dumps(content, sort_keys=True)}
        tensorfile.write(Path(path), tensors, metadata)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Mask:
        """Read a mask file and check all of it.

        Raises:
            UsageError: when there is no such file.
            CorruptFile: when it is not a whole mask.
        """
        tensors, metadata = tensorfile.read(Path(path), FORMAT)
        try:
            content = tensorfile.parsed(metadata["content"])
            shapes = {name: tuple(map(int, shape)) for name, shape in content["shapes"].items()}
            if not tensors.keys() == shapes.keys() == content["counts"].keys():
                raise ValueError("tensors and index do not agree")
            entries = {name: _unpacked(packed, content["counts"][name]) for name, packed in tensors.items()}
            for name, index in entries.items():
                if len(index) and int(index[-1]) >= math.prod(shapes[name]):
                    raise ValueError(f"{name}: a position beyond its end")
            return cls(entries, shapes, int(content["candidates"]), dict(content["about"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
            raise CorruptFile(f"{path} is not a mask", why=repr(problem), fix="Locate it again.") from problem


def _packed(index: Tensor) -> Tensor:
    """Return sorted positions as bytes of their gaps, eight to a number: (words,) int64."""
    positions = index.numpy()
    gaps = np.diff(positions, prepend=-1) - 1  # (count,), from 0
    ends = np.cumsum(gaps // MORE + 1)  # where the last byte of each gap stands, from 1
    size = int(ends[-1]) if len(ends) else 0
    stream = np.full(-(-size // 8) * 8, MORE, dtype=np.uint8)  # what is left over says "more" of nothing
    stream[ends - 1] = gaps % MORE
    return torch.from_numpy(stream.view("<i8").astype(np.int64))


def _unpacked(words: Tensor, count: int) -> Tensor:
    """Return the positions that `_packed` packed.

    Raises:
        ValueError: when there are not `count`.
    """
    if words.dtype != torch.int64 or words.dim() != 1 or type(count) is not int:
        raise ValueError("gaps that are no bytes")
    stream = words.numpy().astype("<i8").view(np.uint8)
    ends = np.flatnonzero(stream != MORE)
    if len(ends) != count:
        raise ValueError(f"{len(ends)} positions instead of {count}")
    steps = np.cumsum(np.where(stream == MORE, MORE, stream.astype(np.int64)))[ends]  # the sum of all gaps so far
    return torch.from_numpy(steps + np.arange(count))
