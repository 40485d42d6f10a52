"""A region: the rows (or columns) of weights that a locator chose, with the scores it chose them by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from . import tensorfile
from .anatomy import Site
from .errors import CorruptFile

FORMAT = "suture.region/1"


@dataclass(frozen=True, eq=False)
class Region:
    """Chosen vectors of weight matrices.

    Attributes:
        rows: for each site the sorted numbers of the chosen rows, int64. For weights that write to the residual stream
            (`mlp.down`, `attn.o`) they number columns: the vectors of size d_model.
        scores: for each site the score of each chosen row, float32.
        candidates: how many there were to choose from.
        about: how they were chosen.
    """

    rows: Mapping[Site, Tensor]
    scores: Mapping[Site, Tensor]
    candidates: int
    about: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of chosen rows over all sites."""
        return sum(len(rows) for rows in self.rows.values())

    def save(self, path: str | Path) -> Path:
        """Write the region as a safetensors file."""
        tensors, sites = {}, []
        for number, site in enumerate(self.rows):
            tensors[f"{number}.rows"], tensors[f"{number}.scores"] = self.rows[site], self.scores[site]
            sites.append([site.layer, site.part, site.expert])
        content = json.dumps({"sites": sites, "candidates": self.candidates, "about": self.about}, sort_keys=True)
        tensorfile.write(Path(path), tensors, {"format": FORMAT, "content": content})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Region:
        """Read a region file."""
        tensors, metadata = tensorfile.read(Path(path), FORMAT)
        try:
            content = json.loads(metadata["content"])
            sites = [Site(*entry) for entry in content["sites"]]
            rows = {site: tensors[f"{i}.rows"] for i, site in enumerate(sites)}
            scores = {site: tensors[f"{i}.scores"] for i, site in enumerate(sites)}
            return cls(rows, scores, content["candidates"], content["about"])
        except (KeyError, TypeError, ValueError) as problem:
            raise CorruptFile(f"{path} is not a region", why=repr(problem), fix="Locate it again.") from problem
