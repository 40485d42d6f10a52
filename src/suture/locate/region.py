"""A region: the rows (or columns) of weights that a locator chose, with the scores it chose them by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CorruptFile, UsageError
from ..io import tensorfile
from ..model.arch.anatomy import Site

FORMAT = "suture.region/1"
BARS = 40  # of the histogram of all scores
TAIL = 0.002  # share of the scores beyond either end of the histogram; its outer bars count them, too


@dataclass(frozen=True, eq=False)
class Region:
    """Chosen vectors of weight matrices.

    Attributes:
        rows: for each site the sorted numbers of the chosen rows, int64. For weights that write to the residual stream
            (`mlp.down`, `attn.o`) they number columns: the vectors of size d_model.
        scores: for each site the score of each chosen row, float32.
        candidates: how many there were to choose from.
        about: how they were chosen; after `choose` with the blocks searched ("layers") and a "histogram" of all scores.
    """

    rows: Mapping[Site, Tensor]
    scores: Mapping[Site, Tensor]
    candidates: int
    about: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of chosen rows over all sites."""
        return sum(len(rows) for rows in self.rows.values())

    @classmethod
    def choose(
        cls,
        scores: Mapping[Site, Tensor],
        rows: float,
        about: dict[str, Any],
        *,
        largest: bool = False,
        chance: torch.Generator | None = None,
    ) -> Region:
        """Choose rows over all sites together; ties are broken by the order of the sites, then by row.

        Args:
            scores: one number for each candidate row of each site, (rows,).
            rows: how many: a count when 1 or more, else a share of all candidates.
            about: how they were scored.
            largest: choose the largest scores instead of the smallest.
            chance: choose at random from this instead (a control).

        Raises:
            UsageError: when that many can not be chosen.
        """
        flat = torch.cat(list(scores.values()))  # (candidates,)
        count = int(rows) if rows >= 1 else round(rows * len(flat))
        if not 1 <= count <= len(flat):
            fix = "Give a count from 1, or a share below 1."
            raise UsageError(f"can not choose {rows:g} of {len(flat)} rows", fix=fix)
        order = torch.argsort(flat, descending=largest, stable=True)
        if chance is not None:
            order = torch.randperm(len(flat), generator=chance)
        chosen = torch.zeros(len(flat), dtype=torch.bool)
        chosen[order[:count]] = True
        about = {**about, "layers": [site.layer for site in scores], "histogram": _histogram(flat, chosen)}
        parts = chosen.split([len(site_scores) for site_scores in scores.values()])
        picks = {site: part.nonzero()[:, 0] for site, part in zip(scores, parts, strict=True) if bool(part.any())}
        return cls(picks, {site: scores[site][numbers].float() for site, numbers in picks.items()}, len(flat), about)

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
            content = tensorfile.parsed(metadata["content"])
            sites = [Site(*entry) for entry in content["sites"]]
            rows = {site: tensors[f"{i}.rows"] for i, site in enumerate(sites)}
            scores = {site: tensors[f"{i}.scores"] for i, site in enumerate(sites)}
            return cls(rows, scores, content["candidates"], content["about"])
        except (KeyError, TypeError, ValueError) as problem:
            raise CorruptFile(f"{path} is not a region", why=repr(problem), fix="Locate it again.") from problem


def _histogram(scores: Tensor, chosen: Tensor) -> dict[str, list[Any]]:
    """Return edges and counts of all scores, and of the chosen ones: (candidates,), (candidates,) bool."""
    values = scores.double().cpu()
    low, high = (_quantile(values, share) for share in (TAIL, 1 - TAIL))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = torch.linspace(low, high, BARS + 1, dtype=torch.float64)
    bar = torch.bucketize(values, edges[1:-1], right=True)  # (candidates,)
    counts, chosen_counts = (torch.bincount(part, minlength=BARS).tolist() for part in (bar, bar[chosen]))
    return {"edges": [round(edge, 6) for edge in edges.tolist()], "counts": counts, "chosen": chosen_counts}


def _quantile(values: Tensor, share: float) -> float:
    """Return the value below which a share lies; `Tensor.quantile` refuses more than 16 million values."""
    return float(values.kthvalue(1 + round(share * (len(values) - 1))).values)
