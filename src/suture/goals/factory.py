"""From settings to a patch: probes and the scores of all rows are made once, every candidate of a search is cut from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ..data.examples import Texts
from ..errors import CorruptFile
from ..io import tensorfile
from ..locate._probes import Probes, Readings, alternating, fit_probes, within_tokens
from ..locate.effect_rows import effect_scores
from ..locate.probe import Probe, Space
from ..locate.probe_rows import cosine_scores
from ..locate.region import Region
from ..methods.surgery import surgery
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Settings
from ..text.phase import Progress
from .candidates import MethodCandidates
from .schema import Goal

FORMAT = "suture.ranking/1"
RANK_TOKENS = 3072  # tokens of texts to keep by which the damage of a row is told, at most
CONTRASTS = 48  # unwanted texts that are continued both ways to tell the gain of a row, at most
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
        progress: called as texts are read.
    """

    lm: LM
    goal: Goal
    run: Run
    spaces: Sequence[Space]
    seed: int = 0
    progress: Progress | None = None

    @property
    def others(self) -> MethodCandidates:
        """Makes the patches of other methods."""
        return MethodCandidates(self.lm, self.goal, self.run, self.seed)

    @cached_property
    def final(self) -> Probes:
        """Fit: the probe of the final states. It needs no turning, so that the paper's recipe is measured first."""
        return self._fitted("probes-final", ["final"])

    @cached_property
    def probes(self) -> Probes:
        """Fit: a probe of each space of blocks, turned away from what to keep; from the passes that read the final states."""
        return self._fitted("probes", [space for space in self.spaces if space != "final"])

    def probe(self, space: Space) -> Probe:
        """Return the probe of a space."""
        return (self.final if space == "final" else self.probes).by_space[space]

    @cached_property
    def ranking(self) -> Ranking:
        """Rank: every row's effect by each probe; the passes are the dear part, and one does for all."""
        return self.run.stage("ranking", self._rank, Ranking.save, Ranking.load)

    def probe_summary(self, space: Space) -> str:
        """Return how well the probe of a space does, as a line to show."""
        probe, read = self.probe(space), (self.final if space == "final" else self.probes).read
        best = probe.scores[probe.best]
        return (
            f"probe: {best.accuracy:.1%} of {best.held_out} held-out texts, read {read} of "
            f"{len(self.goal.behaviour.examples)} texts to fit"
        )

    def scores(self, space: Space, locator: Locator) -> dict[Site, Tensor]:
        """Return every row's score by a locator."""
        if locator == "cosine":
            return cosine_scores(self.lm, self.probe(space), away_from=self.goal.leave)
        return self.ranking.scores[space, locator]

    def region(self, settings: Settings) -> Region:
        """Return the rows that some settings choose."""
        space, locator = settings["space"], settings["select"]
        probe, scores = self.probe(space), self.scores(space, locator)
        layers = blocks(self.lm.anatomy.layers, settings["blocks"])
        site_scores = {site: score for site, score in scores.items() if site.layer in layers}
        about = {"by": locator, "probe": probe.name, "space": probe.space, "away_from": self.goal.leave}
        rows, count = settings["rows"], sum(map(len, site_scores.values()))
        if rows < 1:  # of all rows, whichever blocks are searched
            rows = min(rows * self.lm.anatomy.layers / len(layers), 0.999)
        return Region.choose(site_scores, min(rows, count), about, largest=locator == "effect")

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

    @cached_property
    def _readings(self) -> Readings:
        goal = self.goal
        return Readings(self.lm, goal.behaviour, self.spaces, goal.pool, self.seed, self.progress)

    def _fitted(self, name: str, spaces: Sequence[Space]) -> Probes:
        def fit() -> Probes:
            return fit_probes(self._readings, self.goal.keep, spaces, away_from=self.goal.leave)

        return self.run.stage(name, fit, lambda p, path: p.save(path), Probes.load)

    def _rank(self) -> Ranking:
        lm, goal, probes = self.lm, self.goal, {space: self.probe(space) for space in self.spaces}
        keep = Texts(within_tokens(lm, goal.keep, RANK_TOKENS))
        spread = alternating(goal.behaviour.examples)[: 2 * CONTRASTS]
        behaviour = replace(goal.behaviour, examples=tuple(spread))
        effects = effect_scores(lm, list(probes.values()), behaviour, keep=keep, away_from=goal.leave, seed=self.seed)
        return Ranking({(space, "effect"): effect for space, effect in zip(probes, effects, strict=True)})


def blocks(layers: int, which: str) -> range:
    """Return the block numbers that "all", "first half", "middle half" or "last half" mean; at least one."""
    half = max(1, layers // 2)
    begin = {"all": 0, "first half": 0, "middle half": (layers - half) // 2, "last half": layers - half}[which]
    return range(begin, layers if which == "all" else begin + half)
