"""A direction of a behaviour in the activations: a vector a block, how well each separates, and how long the states are.

A `Probe` says where a behaviour can be read (a logit, with its bias); a `Direction` says which way to move, so that it can be
added, scaled and projected, for which a bias has no meaning.

    a + b, a - b, 2 * a            vectors are added block by block
    a.without(b)                   a_l - (a_l . b_l) b_l / |b_l|^2
    alike({"x": a, "y": b}, 3)     cosines in block 3
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import CorruptFile, PatchMismatch, UsageError
from ..io import gguf, tensorfile
from ..model.lm import LM
from ..numerics.linalg import cosine_table
from .probe import Score

FORMAT = "suture.direction/1"
Space = Literal["residual", "heads"]


@dataclass(frozen=True, eq=False)
class Direction:
    """Vectors that grow with a behaviour, one for each block read.

    Attributes:
        name: of the behaviour.
        space: "residual" (block outputs) or "heads" (what the attention heads put out, side by side, before `attn.o`).
        layers: the blocks.
        vectors: (layers, d) float32, unnormalised.
        sizes: (layers,) float32, typical length of the states where the vectors were read (the mean; sinks left out): the unit
            of strengths.
        levels: (layers, 2) float32, mean component along the unit vector of wanted and of unwanted texts; NaN after algebra.
        scores: held-out separation of each block; none after algebra.
        about: how they were made.
    """

    name: str
    space: Space
    layers: list[int]
    vectors: Tensor
    sizes: Tensor
    levels: Tensor
    scores: list[Score] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def vector(self, layer: int) -> Tensor:
        """Return the vector (d,) of a block.

        Raises:
            UsageError: when that block was not read.
        """
        return self.vectors[self._at(layer)]

    def unit(self, layer: int) -> Tensor:
        """Return the vector of a block at length 1: (d,)."""
        vector = self.vector(layer)
        return vector / vector.norm().clamp(min=1e-30)

    def step(self, layer: int) -> Tensor:
        """Return what strength 1 adds: a vector as long as the typical state; for heads the vector itself, in deviations."""
        return self.vector(layer) if self.space == "heads" else self.unit(layer) * self.sizes[self._at(layer)]

    @property
    def shared(self) -> bool:
        """Whether a strength is a total that the blocks steered share: not of heads, nor of vectors that were made elsewhere."""
        return self.space == "residual" and not self.about.get("as_they_are", False)

    def level(self, layer: int, which: Literal["wanted", "unwanted"] = "wanted") -> float:
        """Return the mean component of a class along the unit vector.

        Raises:
            UsageError: when it is not known any more, after algebra.
        """
        level = float(self.levels[self._at(layer), int(which == "unwanted")])
        if level != level:
            raise UsageError(f"the levels of {self.name} are not known", why="It was computed.", fix="Give a level.")
        return level

    @property
    def best(self) -> int:
        """The block whose classes are told apart best, see `best_of`; the first of equals, and of all without scores."""
        return self.best_of(self.layers)

    def best_of(self, layers: Sequence[int]) -> int:
        """Return which of some blocks has the highest held-out AUC; of equals that whose classes lie furthest apart."""
        ranks = {layer: score.rank for layer, score in zip(self.layers, self.scores, strict=False)}
        return max(layers, key=lambda layer: (*ranks.get(layer, (0.0, 0.0)), -layer))

    def check(self, lm: LM) -> None:
        """Raise PatchMismatch unless the model has these blocks and this width."""
        if self.layers[-1] >= lm.anatomy.layers or (self.space == "residual" and self.vectors.shape[1] != lm.width):
            raise PatchMismatch(
                f"the direction of {self.name} is for another model",
                why=f"It has {self.vectors.shape[1]} numbers for blocks up to {self.layers[-1]}.",
                fix="Read it in this model: suture locate directions MODEL --behaviour DATA",
            )

    def __mul__(self, factor: float) -> Direction:
        """Return vectors `factor` times as long; what strength 1 adds keeps its length, not its sign."""
        return replace(self, vectors=self.vectors * factor, levels=torch.full_like(self.levels, torch.nan), scores=[])

    __rmul__ = __mul__

    def __neg__(self) -> Direction:
        return self * -1.0

    def __add__(self, other: Direction) -> Direction:
        """Return the sum, block by block.

        Raises:
            UsageError: when they were read in other places.
        """
        self._check_same(other)
        return replace(self * 1.0, name=f"{self.name} + {other.name}", vectors=self.vectors + other.vectors)

    def __sub__(self, other: Direction) -> Direction:
        """Return the difference, block by block; raises as `+`."""
        return replace(self + -other, name=f"{self.name} - {other.name}")

    def without(self, other: Direction) -> Direction:
        """Return what is left when the other direction is projected out; raises as `+`."""
        self._check_same(other)
        unit = torch.nn.functional.normalize(other.vectors, dim=1)
        along = (self.vectors * unit).sum(1, keepdim=True)
        return replace(self * 1.0, name=f"{self.name} without {other.name}", vectors=self.vectors - along * unit)

    def save(self, path: str | Path) -> Path:
        """Write the direction as a safetensors file."""
        about = {
            "name": self.name, "space": self.space, "layers": self.layers, "scores": [asdict(s) for s in self.scores],
            "about": self.about,
        }  # fmt: skip
        tensors = {"vectors": self.vectors, "sizes": self.sizes, "levels": self.levels}
        tensorfile.write(Path(path), tensors, {"format": FORMAT, "about": json.dumps(about, sort_keys=True)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Direction:
        """Read a direction file; or a control vector of llama.cpp (`.gguf`), whose strength 1 is its own length.

        Raises:
            CorruptFile: when it is none.
            UsageError: when there is no such file, or the `gguf` package is missing for one of llama.cpp's.
        """
        if Path(path).suffix == ".gguf":
            return cls.of_vectors(
                Path(path).stem, gguf.read_vectors(Path(path)), {"kind": "gguf", "file": Path(path).name}
            )
        tensors, metadata = tensorfile.read(Path(path), FORMAT)
        try:
            about = tensorfile.parsed(metadata["about"])
            scores = [Score(**score) for score in about["scores"]]
            return cls(
                about["name"], about["space"], about["layers"], tensors["vectors"], tensors["sizes"], tensors["levels"],
                scores, about["about"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as problem:
            raise CorruptFile(
                f"{path} is not a direction", why=repr(problem), fix="Make it again: suture locate directions"
            ) from problem

    @classmethod
    def of_vectors(cls, name: str, vectors: Mapping[int, Tensor], about: Mapping[str, Any]) -> Direction:
        """Return vectors made elsewhere, (d_model,) by block, as a direction: one unit of strength adds them as they are."""
        layers = sorted(vectors)
        stacked = torch.stack([vectors[layer].float() for layer in layers])
        unknown = torch.full((len(layers), 2), torch.nan)
        return cls(
            name, "residual", layers, stacked, stacked.norm(dim=1), unknown, about={**about, "as_they_are": True}
        )

    def _at(self, layer: int) -> int:
        if layer not in self.layers:
            raise UsageError(
                f"block {layer} has no direction", why=f"Read: {self.layers}.", fix="Read it in this block too."
            )
        return self.layers.index(layer)

    def _check_same(self, other: Direction) -> None:
        mine, theirs = ((d.space, d.layers, d.vectors.shape[1]) for d in (self, other))
        if mine != theirs:
            raise UsageError(
                f"the directions of {self.name} and {other.name} were read in other places",
                why=f"{mine[0]} of blocks {mine[1]}, and {theirs[0]} of blocks {theirs[1]}.",
                fix="Read both in the same blocks of one model.",
            )


def alike(directions: Mapping[str, Direction], layer: int) -> tuple[list[str], list[list[float]]]:
    """Return names, and the cosine of each direction with each in a block, as `figures.cosine_matrix` draws them."""
    return list(directions), cosine_table(torch.stack([d.vector(layer) for d in directions.values()]))
