"""A linear probe of a behaviour: a direction per layer, how well it separates held-out texts, and where it was read.

Source: Wang et al. 2025, "Model Surgery: Modulating LLM's Behavior via Simple Parameter Editing", eq. 1.
    P(y | x) = softmax(W x + b),   W = [W_wanted; W_unwanted] : (2, d_model),   x = mean_t h_t : (d_model,)
Differs from the paper by default: start token and sinks are left out of the mean, the fit is an L2-regularised logistic
regression solved to its optimum (so two directions, w and -w), and the state may be read where the gate rows read it
(the MLP input of each block). `parity="paper"` is the paper's recipe to the constant: it reads the text alone, without the
request it answers and without a chat template, as the authors' code does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from ..data.examples import Behaviour, Texts
from ..errors import CorruptFile, PatchMismatch, UsageError
from ..io import tensorfile
from ..model.arch.anatomy import FINAL, Site
from ..model.lm import LM, bucketed
from ..model.run.features import extract
from ..model.run.pooling import Pool, StateLengths, content, token_ids
from ..text.heard import tell
from ..text.phase import Progress, counted
from ._probe_fit import Parity as Parity
from ._probe_fit import Score as Score
from ._probe_fit import fit_layer
from ._probe_fit import score_of as score_of

FORMAT = "suture.probe/1"
HELD_OUT = 0.1  # share of each class kept for accuracy and AUC, as in the paper
PAPER_TOKENS = 100  # Table 14
DAMPING = 0.01  # of `whitened_probe`; on the tune split of the bundled model 0.01 and 0.1 do alike
MOMENT_TOKENS = 2048  # of a batch of which the states of every block are held
Space = Literal["final", "residual", "mlp.in"]


@dataclass(frozen=True, eq=False)
class Probe:
    """Directions in a space, one for each layer probed.

    Attributes:
        name: of the behaviour.
        space: "final" (after the last norm; one probe), "residual" (block outputs) or "mlp.in" (what gate rows read).
        layers: the blocks probed; [-1] for "final".
        unwanted: (layers, d) directions that grow with the unwanted behaviour, unnormalised.
        wanted: (layers, d) the same for the wanted one; minus `unwanted` unless fitted as in the paper.
        bias: (layers,) of the unwanted logit against the wanted.
        scores: one for each layer.
    """

    name: str
    space: Space
    layers: list[int]
    unwanted: Tensor
    wanted: Tensor
    bias: Tensor
    scores: list[Score]

    def __post_init__(self) -> None:
        """Have the numbers lie in memory as they do when they were read from a file: sums of them are the same, to the bit."""
        for name in ("unwanted", "wanted", "bias"):
            object.__setattr__(self, name, getattr(self, name).contiguous())

    def direction(self, layer: int, away_from: Literal["unwanted", "wanted"] = "unwanted") -> Tensor:
        """Return the direction (d,) to use in a block.

        Raises:
            UsageError: when that block was not probed.
        """
        index = 0 if self.space == "final" else self.layers.index(layer) if layer in self.layers else -1
        if index < 0:
            raise UsageError(
                f"block {layer} has no probe", why=f"Probed: {self.layers}.", fix="Fit it for this block too."
            )
        return (self.unwanted if away_from == "unwanted" else self.wanted)[index]

    def check(self, lm: LM) -> None:
        """Raise PatchMismatch when the directions are not as wide as the model's residual stream."""
        if self.unwanted.shape[1] != lm.width:
            raise PatchMismatch(
                f"the probe of {self.name} is for another model",
                why=f"Its directions have {self.unwanted.shape[1]} numbers, the model's states {lm.width}.",
                fix="Fit it on this model: suture probe MODEL --data DATA",
            )

    @property
    def best(self) -> int:
        """Index of the layer of the highest held-out AUC; of equals where the classes lie furthest apart, then the first."""
        return max(range(len(self.scores)), key=lambda i: (*self.scores[i].rank, -i))

    def save(self, path: str | Path) -> Path:
        """Write the probe as a safetensors file."""
        about = {
            "name": self.name,
            "space": self.space,
            "layers": self.layers,
            "scores": [asdict(s) for s in self.scores],
        }
        tensors = {"unwanted": self.unwanted, "wanted": self.wanted, "bias": self.bias}
        tensorfile.write(Path(path), tensors, {"format": FORMAT, "about": json.dumps(about, sort_keys=True)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Probe:
        """Read a probe file."""
        tensors, metadata = tensorfile.read(Path(path), FORMAT)
        try:
            about = tensorfile.parsed(metadata["about"])
            scores = [Score(**score) for score in about["scores"]]
            return cls(
                about["name"],
                about["space"],
                about["layers"],
                tensors["unwanted"],
                tensors["wanted"],
                tensors["bias"],
                scores,
            )
        except (KeyError, TypeError, ValueError) as problem:
            raise CorruptFile(
                f"{path} is not a probe", why=repr(problem), fix="Fit it again: suture probe"
            ) from problem


def fit_probe(
    lm: LM,
    behaviour: Behaviour,
    *,
    space: Space = "mlp.in",
    layers: Sequence[int] | None = None,
    pool: Pool = "response",
    penalty: float = 1.0,
    parity: Parity | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probe:
    """Fit a linear probe of a behaviour.

    Args:
        lm: the model.
        behaviour: labelled texts; 1 is unwanted.
        space: where the state is read; see `Probe`.
        layers: blocks to probe (all by default); ignored for "final".
        pool: how the tokens of a text are pooled; see `extract`.
        penalty: L2 strength, on features scaled to mean square 1.
        parity: "paper" is steps 1-2 of the paper: final state, the text alone (no request, no chat template), mean with the
            start token, at most 100 tokens, Adam at 1e-4 with batches of 16 for 9 epochs, a 90/10 split.
        seed: of the split (and of Adam's start and order).
        progress: called with (what, done, of), of texts and then of layers.

    Example:
        >>> from suture import LM, Behaviour, fit_probe
        >>> lm = LM.load("patient")
        >>> probe = fit_probe(lm, Behaviour.load("patient:tone"), layers=[2])
        >>> probe.scores[0].accuracy > 0.8
        True
    """
    if space not in get_args(Space):
        raise UsageError(f"no space {space!r}", fix=f"Use one of {', '.join(get_args(Space))}.")
    if parity == "paper":
        space, pool = "final", "mean_with_bos"
    chosen = [-1] if space == "final" else list(range(lm.anatomy.layers) if layers is None else layers)
    sites = [FINAL] if space == "final" else [Site(layer, space) for layer in chosen]
    train, held_out = behaviour.split(HELD_OUT, seed)
    # the authors encode what is labelled, and nothing around it
    bare = [replace(e, prompt=None) if parity == "paper" else e for e in (*train.examples, *held_out.examples)]
    reading, fitting = counted(progress, ["read", "fit"])
    features = extract(lm, bare, sites, pool=pool, max_tokens=PAPER_TOKENS if parity else None, progress=reading)
    labels = torch.tensor([example.label for example in bare])
    return probe_of(
        behaviour.name, space, chosen, features, labels, len(train.examples),
        parity=parity, penalty=penalty, seed=seed, progress=fitting,
    )  # fmt: skip


def probe_of(
    name: str,
    space: Space,
    layers: list[int],
    features: Tensor,
    labels: Tensor,
    train: int,
    *,
    parity: Parity | None = None,
    penalty: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Probe:
    """Return the probe of states that were read.

    Args:
        name: of the behaviour.
        space: where they were read.
        layers: of which blocks; [-1] for "final".
        features: (texts, layers, d); the first `train` texts are fitted, the others scored.
        labels: (texts,) of 0 and 1.
        train: number of the texts that are fitted.
        parity: see `fit_probe`, as for the others.
        penalty: see there.
        seed: see there.
        progress: called with (what, done, of) of layers.
    """
    fitted = []
    for column, layer in enumerate(layers):
        if progress:
            progress(f"layer {layer}" if layer >= 0 else "final state", column, len(layers))
        states = features[:, column]  # (texts, d)
        fitted.append(fit_layer(states, labels, train, parity=parity, penalty=penalty, seed=seed))
    return Probe(
        name,
        space,
        layers,
        unwanted=torch.stack([f[1] for f in fitted]),
        wanted=torch.stack([f[0] for f in fitted]),
        bias=torch.tensor([f[2] for f in fitted]),
        scores=[f[3] for f in fitted],
    )


@torch.no_grad()
def whitened_probe(
    lm: LM,
    probe: Probe,
    keep: Sequence[str],
    behaviour: Behaviour | None = None,
    *,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
    damping: float = DAMPING,
) -> Probe:
    """Return the probe turned so that it says as little as possible about texts to keep.

    A gate row that receives the direction then hardly reacts to them. Of all directions v with the same v.w it has the least
    sum_t (v.x_t)^2 over the states x_t that the gate rows read in those texts, as a fact's key is whitened in ROME:

        v = (C + damping * mean(diag C) * I)^-1 w,   C = mean_t x_t x_t^T : (d, d),   rescaled to the length of w

    Args:
        lm: the model.
        probe: with one direction a block ("mlp.in" or "residual"), or one for all ("final": it becomes one a block).
        keep: texts.
        behaviour: its texts of the other class are kept too, so that what both classes share stays quiet.
        away_from: the class that is not kept.
        damping: ridge, relative to the mean diagonal of C.
    """
    layers = list(range(lm.anatomy.layers)) if probe.space == "final" else probe.layers
    moments = second_moments(lm, layers, keep, behaviour, away_from=away_from)
    name = f"{probe.name}, quiet on {len(keep)} texts ({Texts(keep).summary()['sha256'][:8]})"
    return turned(probe, layers, moments, name, damping=damping)


@torch.no_grad()
def second_moments(
    lm: LM,
    layers: Sequence[int],
    keep: Sequence[str],
    behaviour: Behaviour | None = None,
    *,
    away_from: Literal["unwanted", "wanted"] = "unwanted",
) -> Tensor:
    """Return the sums of x_t x_t^T over the states that the gate rows of blocks read: (layers, d, d) float64.

    Args:
        lm: the model.
        layers: of which blocks.
        keep: texts.
        behaviour: see `whitened_probe`, as for the last.
        away_from: see there.
    """
    sites = [Site(layer, "mlp.in") for layer in layers]
    moments = torch.zeros(len(sites), lm.width, lm.width, dtype=torch.float64)
    label = int(away_from == "unwanted")
    rows = [lm.encode(text) for text in keep]
    rows += [token_ids(lm, e)[0] for e in (behaviour.examples if behaviour else ()) if e.label != label]
    usual, done = StateLengths.of(lm), 0
    tell("texts to keep", 0, len(rows))
    for group in bucketed([len(row) for row in rows], MOMENT_TOKENS):
        batch = lm.batch([rows[i] for i in group])
        with usual.traced(lm, sites) as (by_site, lengths):
            lm.forward(batch, head=False)
        real = content(lm, batch, usual.sinks(lengths, batch.mask))
        for index, site in enumerate(sites):
            states = by_site[site][real].double().cpu()  # (tokens, d)
            moments[index] += states.T @ states
        done += len(group)
        tell("texts to keep", done, len(rows))
    return moments


def turned(probe: Probe, layers: list[int], moments: Tensor, name: str, *, damping: float = DAMPING) -> Probe:
    """Return a probe turned away from the states of some moments, one direction a block; see `whitened_probe`."""
    diagonal = moments.diagonal(dim1=1, dim2=2).mean(1)  # (layers,)
    ridge = damping * diagonal[:, None, None] * torch.eye(moments.shape[-1], dtype=torch.float64)

    def turn(directions: Tensor) -> Tensor:
        vectors = directions.expand(len(layers), -1).double()
        turned = torch.linalg.solve(moments + ridge, vectors)
        return (turned / turned.norm(dim=1, keepdim=True) * vectors.norm(dim=1, keepdim=True)).float()

    bias = probe.bias.expand(len(layers)).clone()
    scores = probe.scores * (len(layers) // len(probe.scores))
    return Probe(name, "mlp.in", layers, turn(probe.unwanted), turn(probe.wanted), bias, scores)


def random_probe(probe: Probe, seed: int = 0) -> Probe:
    """Return a probe with random directions of the same norms: the control of the paper's Table 9."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(probe.unwanted.shape, generator=generator)
    unwanted = noise / noise.norm(dim=1, keepdim=True) * probe.unwanted.norm(dim=1, keepdim=True)
    return Probe(
        f"random, not {probe.name}",
        probe.space,
        probe.layers,
        unwanted,
        -unwanted,
        torch.zeros_like(probe.bias),
        probe.scores,
    )
