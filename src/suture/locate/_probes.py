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
from ..text.phase import Progress, counted
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


def fit_probes(
    lm: LM,
    behaviour: Behaviour,
    spaces: Sequence[Space],
    keep: Texts,
    *,
    pool: Pool = "response",
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    seed: int = 0,
    progress: Progress | None = None,
) -> Probes:
    """Fit a probe in each of several spaces.

    Args:
        lm: the model.
        behaviour: labelled texts; a tenth of them is held out.
        spaces: see `Probe`.
        keep: texts that the probes of blocks are turned away from, see `whitened_probe`.
        pool: how the tokens of a text are pooled.
        away_from: the class that an edit leads away from; texts of the other are kept, too.
        seed: of the split and of the order of the texts.
        progress: called as texts are read.
    """
    layers = list(range(lm.anatomy.layers))
    places = {space: [FINAL] if space == "final" else [Site(layer, space) for layer in layers] for space in spaces}
    sites = [site for group in places.values() for site in group]
    train, held_out = behaviour.split(HELD_OUT, seed)
    waiting = alternating(train.examples)
    reading, turning = counted(progress, ["read", "turn away"], "part")

    def features(texts: Sequence[Labelled]) -> torch.Tensor:
        return extract(lm, texts, sites, pool=pool, progress=reading)

    held, states = features(held_out.examples), torch.zeros(0)
    read: list[Labelled] = []
    before = 0.0
    while True:
        more = waiting[len(read) : max(2 * len(read), PORTION)]
        read += more
        states = torch.cat([states, features(more)]) if len(states) else features(more)
        every, labels = torch.cat([states, held]), torch.tensor([e.label for e in (*read, *held_out.examples)])
        probes, column = dict[Space, Probe](), 0
        for space, group in places.items():
            chosen, part = [-1] if space == "final" else layers, every[:, column : column + len(group)]
            probes[space] = probe_of(behaviour.name, space, chosen, part, labels, len(read), seed=seed)
            column += len(group)
        scores = [score.auc for probe in probes.values() for score in probe.scores]
        mean = sum(scores) / len(scores)
        if len(read) == len(waiting) or mean >= PERFECT or mean - before < RISE:
            break
        before = mean
    if any(space != "final" for space in probes):
        quiet = within_tokens(lm, keep, max(KEEP_TOKENS, KEEP_WIDTHS * lm.width))
        seen = replace(behaviour, examples=tuple(read))
        moments = second_moments(lm, layers, quiet, seen, away_from=away_from)
        name = f"{behaviour.name}, quiet on {len(quiet)} texts ({Texts(quiet).summary()['sha256'][:8]})"
        probes = {s: p if s == "final" else turned(p, layers, moments, name) for s, p in probes.items()}
    if turning:
        turning("texts", len(read), len(read))
    return Probes(probes, len(read))


def alternating(examples: Sequence[Labelled]) -> list[Labelled]:
    """Return examples with their classes taking turns, so that any beginning of them has both."""
    classes = [[e for e in examples if e.label == label] for label in (0, 1)]
    return [e for pair in zip_longest(*classes) for e in pair if e is not None]


def within_tokens(lm: LM, texts: Sequence[str], most: int) -> list[str]:
    """Return texts, evenly spaced, that together have about so many tokens at most; at least one."""
    lengths = [len(lm.encode(text)) for text in texts]
    step = max(1, -(-sum(lengths) // most))
    return list(texts[::step])
