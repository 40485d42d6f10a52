"""Probes of several spaces from the same passes, on no more texts than are needed.

Texts are read in portions, each as large as all before it, until held-out texts are told apart no better: where a few dozen texts
do, a thousand say nothing more. One pass reads every space.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import torch

from ..data.examples import Behaviour, Labelled, Texts
from ..errors import CorruptFile
from ..io import tensorfile
from ..model.arch.anatomy import FINAL, Site
from ..model.lm import LM
from ..model.run.features import extract
from ..model.run.pooling import Pool
from ..text.phase import Progress
from .probe import HELD_OUT, Probe, Score, Space, probe_of, second_moments, turned

FORMAT = "suture.probes/1"
PORTION = 80  # texts read at first
RISE = 0.002  # of the mean AUC over all probes; less is no reason to read more
PERFECT = 0.9995  # mean AUC from which nothing more can be told
KEEP_TOKENS = 8192  # tokens of texts to keep that are read at most, ...
KEEP_WIDTHS = 16  # ... or so many times the width, as many states say what a space is like


@dataclass(frozen=True, eq=False)
class Probes:
    """Probes of one behaviour.

    Attributes:
        by_space: those of blocks are turned away from what to keep; the one of "final" is as it was fitted.
        read: texts that were read to fit them.
    """

    by_space: dict[Space, Probe]
    read: int

    def save(self, path: Path) -> None:
        """Write all of them as one file."""
        names = ("unwanted", "wanted", "bias")
        tensors = {f"{space}.{n}": getattr(probe, n) for space, probe in self.by_space.items() for n in names}
        about = {
            space: {"name": p.name, "space": p.space, "layers": p.layers, "scores": [asdict(s) for s in p.scores]}
            for space, p in self.by_space.items()
        }
        content = json.dumps({"about": about, "read": self.read})
        tensorfile.write(path, tensors, {"format": FORMAT, "content": content})

    @classmethod
    def load(cls, path: Path) -> Probes:
        """Read what `save` wrote.

        Raises:
            CorruptFile: when it is something else.
        """
        tensors, metadata = tensorfile.read(path, FORMAT)
        try:
            content = tensorfile.parsed(metadata["content"])
            by_space: dict[Space, Probe] = {}
            for space, about in content["about"].items():
                unwanted, wanted, bias = (tensors[f"{space}.{name}"] for name in ("unwanted", "wanted", "bias"))
                scores = [Score(**score) for score in about["scores"]]
                by_space[space] = Probe(about["name"], about["space"], about["layers"], unwanted, wanted, bias, scores)
            return cls(by_space, content["read"])
        except (KeyError, TypeError, ValueError) as problem:
            fix = "Remove it; they are made again."
            raise CorruptFile(f"{path} holds no probes", why=repr(problem), fix=fix) from problem


@dataclass(eq=False)
class Readings:
    """What the texts of a behaviour leave in several spaces: read once, a portion at a time, as far as anyone asks.

    Attributes:
        lm: the model.
        behaviour: labelled texts; a tenth of them is held out.
        spaces: see `Probe`; one pass reads all.
        pool: how the tokens of a text are pooled.
        seed: of the split.
        progress: called as texts are read.
    """

    lm: LM
    behaviour: Behaviour
    spaces: Sequence[Space]
    pool: Pool = "response"
    seed: int = 0
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Split the texts; the classes take turns, so that any beginning has both."""
        train, held_out = self.behaviour.split(HELD_OUT, self.seed)
        self.waiting, self.held_out = alternating(train.examples), list(held_out.examples)
        self.layers = list(range(self.lm.anatomy.layers))
        self._states, self._held, self._read = torch.zeros(0), torch.zeros(0), 0

    def following(self, count: int) -> int:
        """Return how many texts are read after so many."""
        return min(max(2 * count, PORTION), len(self.waiting))

    def probe(self, space: Space, count: int) -> Probe:
        """Return the probe of a space that the first so many texts give, scored on those held out."""
        self._read_to(count)
        layers = [-1] if space == "final" else self.layers
        column = sum(len(self._sites(earlier)) for earlier in self.spaces[: self.spaces.index(space)])
        states = torch.cat([self._states[:count], self._held])[:, column : column + len(layers)]
        labels = torch.tensor([e.label for e in (*self.waiting[:count], *self.held_out)])
        return probe_of(self.behaviour.name, space, layers, states, labels, count, seed=self.seed)

    def _read_to(self, count: int) -> None:
        # in the same portions whoever asks, as what a text leaves depends a little on its batch
        while self._read < count:
            following = self.following(self._read)
            if not self._read:
                self._held = self._features(self.held_out)
            more = self._features(self.waiting[self._read : following])
            self._states = torch.cat([self._states, more]) if self._read else more
            self._read = following

    def _features(self, texts: Sequence[Labelled]) -> torch.Tensor:
        sites = [site for space in self.spaces for site in self._sites(space)]
        return extract(self.lm, texts, sites, pool=self.pool, progress=self.progress)

    def _sites(self, space: Space) -> list[Site]:
        return [FINAL] if space == "final" else [Site(layer, space) for layer in self.layers]


def fit_probes(
    readings: Readings,
    keep: Texts,
    spaces: Sequence[Space] | None = None,
    *,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
) -> Probes:
    """Fit a probe in each of several spaces.

    Args:
        readings: of the behaviour's texts.
        keep: texts that the probes of blocks are turned away from, see `whitened_probe`.
        spaces: of those that are read; all by default.
        away_from: the class that an edit leads away from; texts of the other are kept, too.
    """
    lm, behaviour, layers = readings.lm, readings.behaviour, readings.layers
    chosen = list(spaces or readings.spaces)
    count, before = readings.following(0), 0.0
    while True:
        probes = {space: readings.probe(space, count) for space in chosen}
        scores = [score.auc for probe in probes.values() for score in probe.scores]
        mean = sum(scores) / len(scores)
        if count == len(readings.waiting) or mean >= PERFECT or mean - before < RISE:
            break
        count, before = readings.following(count), mean
    if any(space != "final" for space in probes):
        quiet = within_tokens(lm, keep, max(KEEP_TOKENS, KEEP_WIDTHS * lm.width))
        seen = replace(behaviour, examples=tuple(readings.waiting[:count]))
        moments = second_moments(lm, layers, quiet, seen, away_from=away_from)
        name = f"{behaviour.name}, quiet on {len(quiet)} texts ({Texts(quiet).summary()['sha256'][:8]})"
        probes = {s: p if s == "final" else turned(p, layers, moments, name) for s, p in probes.items()}
    return Probes(probes, count)


def alternating(examples: Sequence[Labelled]) -> list[Labelled]:
    """Return examples with their classes taking turns, so that any beginning of them has both."""
    classes = [[e for e in examples if e.label == label] for label in (0, 1)]
    return [e for pair in zip_longest(*classes) for e in pair if e is not None]


def within_tokens(lm: LM, texts: Sequence[str], most: int) -> list[str]:
    """Return texts, evenly spaced, that together have about so many tokens at most; at least one."""
    lengths = [len(lm.encode(text)) for text in texts]
    step = max(1, -(-sum(lengths) // most))
    return list(texts[::step])
