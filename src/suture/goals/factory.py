"""From settings to a patch: probes and the scores of all rows are made once, every candidate of a search is cut from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ..errors import CorruptFile
from ..io import tensorfile
from ..locate.effect_rows import effect_scores
from ..locate.probe import Probe, Space, fit_probe, whitened_probe
from ..locate.probe_rows import cosine_scores
from ..locate.region import Region
from ..methods.surgery import surgery
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Settings
from .candidates import MethodCandidates
from .schema import Goal

FORMAT = "suture.ranking/1"
Locator = Literal["effect", "cosine"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Every row's score.

    Attributes:
        scores: by space and locator: for each site (rows,) float32.
    """

    scores: dict[tuple[Space, Locator], dict[Site, Tensor]]

    def save(self, path: Path) -> None:
        """Write the scores."""
        tensors: dict[str, Tensor] = {}
        content: list[list[Any]] = []
        for (space, locator), site_scores in self.scores.items():
            for site, score in site_scores.items():
                tensors[f"{len(content)}"] = score
                content.append([space, locator, site.layer, site.part, site.expert])
        tensorfile.write(path, tensors, {"format": FORMAT, "content": json.dumps(content)})

    @classmethod
    def load(cls, path: Path) -> Ranking:
        """Read what `save` wrote.

        Raises:
            CorruptFile: when it is something else.
        """
        tensors, metadata = tensorfile.read(path, FORMAT)
        scores: dict[tuple[Space, Locator], dict[Site, Tensor]] = {}
        try:
            for number, (space, locator, *site) in enumerate(tensorfile.parsed(metadata["content"])):
                scores.setdefault((space, locator), {})[Site(*site)] = tensors[f"{number}"]
        except (KeyError, TypeError, ValueError) as problem:
            raise CorruptFile(
                f"{path} is no ranking", why=repr(problem), fix="Remove it; it is made again."
            ) from problem
        return cls(scores)


@dataclass(eq=False)
class CandidateFactory:
    """Makes the patches that a search asks for.

    Attributes:
        lm: the model.
        goal: what to reach.
        run: keeps probes and ranking, for a run that is continued.
        spaces: in which rows are looked for.
        seed: of every choice.
    """

    lm: LM
    goal: Goal
    run: Run
    spaces: Sequence[Space]
    seed: int = 0
    _probes: dict[Space, Probe] = field(default_factory=dict, repr=False)
    _ranking: Ranking | None = field(default=None, repr=False)

    @property
    def others(self) -> MethodCandidates:
        """Makes the patches of other methods."""
        return MethodCandidates(self.lm, self.goal, self.run, self.seed)

    def probe(self, space: Space) -> Probe:
        """Return the probe of a space, turned away from what to keep."""
        goal = self.goal

        def fit() -> Probe:
            unwhitened = fit_probe(self.lm, goal.behaviour, space=space, pool=goal.pool, seed=self.seed)
            return whitened_probe(self.lm, unwhitened, goal.keep, goal.behaviour, away_from=goal.leave)

        if space not in self._probes:
            probe = self.run.stage(f"probe-{space}", fit, lambda p, path: p.save(path), Probe.load)
            self._probes[space] = probe
        return self._probes[space]

    def ranking(self) -> Ranking:
        """Return every row's score in all spaces: the passes are the dear part, and one does for all."""
        if self._ranking is None:
            probes = {space: self.probe(space) for space in self.spaces}
            self._ranking = self.run.stage("ranking", lambda: self._rank(probes), Ranking.save, Ranking.load)
        return self._ranking

    def probe_summary(self, space: Space) -> str:
        """Return how well the probe of a space does, as a line to show."""
        probe, scores = self.probe(space), self.ranking().scores[space, "effect"]
        best, rows = probe.scores[probe.best], sum(map(len, scores.values()))
        return f"probe: {best.accuracy:.1%} of {best.held_out} held-out texts; {rows:,} rows ranked"

    def region(self, settings: Settings) -> Region:
        """Return the rows that some settings choose."""
        space, locator = settings["space"], settings["select"]
        probe, scores = self.probe(space), self.ranking().scores[space, locator]
        layers = blocks(self.lm.anatomy.layers, settings["blocks"])
        site_scores = {site: score for site, score in scores.items() if site.layer in layers}
        about = {"by": locator, "probe": probe.name, "space": probe.space, "away_from": self.goal.leave}
        share = settings["rows"] * self.lm.anatomy.layers / len(layers)  # of all rows, whichever blocks are searched
        return Region.choose(site_scores, min(share, 0.999), about, largest=locator == "effect")

    def patch(self, settings: Settings, strength: float = 1.0) -> Patch:
        """Return the patch of some settings, by surgery unless they name another method."""
        if "method" in settings:
            return self.others.patch(settings) * strength
        return surgery(
            self.lm,
            self.goal.behaviour,
            probe=self.probe(settings["space"]),
            region=self.region(settings),
            strength=strength,
            seed=self.seed,
            toward="wanted" if self.goal.leave == "unwanted" else "unwanted",
        )

    def _rank(self, probes: dict[Space, Probe]) -> Ranking:
        lm, goal = self.lm, self.goal
        many = list(probes.values())
        effects = effect_scores(lm, many, goal.behaviour, keep=goal.keep, away_from=goal.leave, seed=self.seed)
        scores: dict[tuple[Space, Locator], dict[Site, Tensor]] = {}
        for (space, probe), effect in zip(probes.items(), effects, strict=True):
            scores[space, "effect"] = effect
            scores[space, "cosine"] = cosine_scores(lm, probe, away_from=goal.leave)
        return Ranking(scores)


def blocks(layers: int, which: str) -> range:
    """Return the block numbers that "all", "first half", "middle half" or "last half" mean; at least one."""
    half = max(1, layers // 2)
    begin = {"all": 0, "first half": 0, "middle half": (layers - half) // 2, "last half": layers - half}[which]
    return range(begin, layers if which == "all" else begin + half)
