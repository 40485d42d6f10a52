"""A control vector for llama.cpp: `llama-cli --control-vector FILE` adds a vector to the output of each block.

    h_N <- h_N + s * d_N        direction.N: d_N (d_model,) float32, N from 1: llama.cpp never steers block 0

Made from a probe of the residual stream (its directions, each of length 1, times a strength), from a direction (what strength 1
adds, times a strength), or from a patch that steers by adding behind blocks, or shifts what their last matrix adds to the
stream: there d_N is what is added, and the effect is the patch's. `Direction.load` reads the file back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import UsageError
from ..io import gguf
from ..locate.direction import Direction
from ..locate.probe import Probe
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..model.run.tracing import Edit, trace
from ..patch.delta import Shift
from ..patch.delta_kind import Delta
from ..patch.patch import Patch
from ..patch.runtime.steer import Steer
from . import _gguf
from ._exported import Exported
from .check import PROMPTS, Check, compare, logits, unmerged

Toward = Literal["wanted", "unwanted"]
OTHERS = "Use `export.lora`, `export.gguf_lora` or `export.checkpoint`."


def export(
    lm: LM | None,
    source: Probe | Direction | Patch,
    out: str | Path,
    *,
    toward: Toward = "wanted",
    strength: float = 1.0,
    hint: str = "",
) -> Exported:
    """Write the control vector.

    Args:
        lm: the model; needed for a patch, for a probe it only gives the hint.
        source: a probe or direction of the residual stream, or a patch that adds to the outputs of blocks.
        out: the file, by custom `.gguf`.
        toward: which way the directions of a probe or a direction point.
        strength: length of a probe's directions; of a direction's in its own unit, the typical state, shared by
            its blocks.
        hint: llama.cpp's name of the architecture, where there is no model to ask.

    Raises:
        UsageError: for a probe of another space, or a patch of anything else.
    """
    if not isinstance(source, Patch):
        vectors = _of_source(source, toward, strength)
    elif lm is None:
        raise UsageError("a patch is exported with its model", fix="Give it: `lm`")
    else:
        vectors = of_patch(lm, source)
    notes = []
    if 0 in vectors:
        if isinstance(source, Patch):
            raise UsageError("a control vector can not shift block 0", why="llama.cpp never steers it.", fix=OTHERS)
        del vectors[0]
        notes.append("The direction of block 0 is left out: llama.cpp never steers it.")
    if not vectors:
        raise UsageError("there is no direction to write", why="Only block 0 has one.", fix="Probe other layers too.")
    if lm is not None:
        hint = _gguf.known_as(lm)
    fields: dict[str, str | int | float] = {"controlvector.model_hint": hint, "controlvector.layer_count": len(vectors)}
    path = Path(out)
    gguf.write(path, "controlvector", fields, {f"{gguf.VECTOR}{layer}": vectors[layer] for layer in sorted(vectors)})
    if lm is None:
        return Exported(path, [path], notes=notes)
    model = lm
    return Exported(
        path,
        [path],
        notes=notes,
        check=lambda prompts: check(model, source, path, prompts, toward=toward, strength=strength),
    )


def of_probe(probe: Probe, toward: Toward, strength: float = 1.0) -> dict[int, Tensor]:
    """Return each block's direction (d_model,), of length `strength`.

    Raises:
        UsageError: unless the probe read the outputs of blocks.
    """
    if probe.space != "residual":
        raise UsageError(
            f"a probe of {probe.space!r} is no control vector",
            why="llama.cpp adds to the outputs of blocks; this probe reads elsewhere.",
            fix="Fit one there: suture probe MODEL --data DATA --space residual",
        )
    directions = {layer: probe.direction(layer, toward).double() for layer in probe.layers}
    return {layer: (strength * vector / vector.norm()).float() for layer, vector in directions.items()}


def of_direction(direction: Direction, toward: Toward, strength: float = 1.0) -> dict[int, Tensor]:
    """Return what a strength of a direction adds behind each block (d_model,).

    Raises:
        UsageError: unless it was read from the outputs of blocks.
    """
    if direction.space != "residual":
        raise UsageError(
            "a direction of heads is no control vector",
            why="llama.cpp adds to the outputs of blocks; this direction is added before they are joined.",
            fix="Read one there: suture locate directions MODEL --behaviour DATA --kind means",
        )
    share = strength / len(direction.layers) if direction.shared else strength  # as `steering` spends it
    sign = share if toward == "unwanted" else -share
    return {layer: sign * direction.step(layer) for layer in direction.layers}


def _of_source(source: Probe | Direction, toward: Toward, strength: float) -> dict[int, Tensor]:
    if isinstance(source, Probe):
        return of_probe(source, toward, strength)
    return of_direction(source, toward, strength)


def of_patch(lm: LM, patch: Patch) -> dict[int, Tensor]:
    """Return what a patch adds to the output of each block (d_model,).

    Raises:
        UsageError: when it does anything but add to the outputs of blocks, always and to all tokens.
    """
    patch.check_base(lm)
    last = {lm.anatomy.owner(weight.tensor)[0]: weight.site.layer for weight in lm.anatomy.weights("mlp.down")}
    vectors: dict[int, Tensor] = {}
    for name, terms in patch.terms.items():
        layer = lm.anatomy.on(name)[0].site.layer if _steers(terms) else last.get(lm.anatomy.owner(name)[0])
        if layer is None or not (_steers(terms) or all(isinstance(term, Shift) for term in terms)):
            kinds = " and ".join(sorted({term.kind for term in terms}))
            raise UsageError(
                f"{name} is not changed by a shift of a block's output",
                why=f"Its change is {kinds}; a control vector adds one vector behind a block.",
                fix=OTHERS,
            )
        before = vectors.get(layer, torch.zeros(lm.width)).double()
        vectors[layer] = sum((_vector(term) for term in terms), before).float()
    return vectors


def _steers(terms: Sequence[Delta]) -> bool:
    """Return whether all that is done is to add behind the block, always and to all tokens."""
    return all(
        isinstance(term, Steer)
        and (term.mode, term.positions, term.place) == ("add", "all", "residual")
        and not term.reads
        for term in terms
    )


def check(
    lm: LM,
    source: Probe | Direction | Patch,
    out: str | Path,
    prompts: Sequence[str] = PROMPTS,
    *,
    toward: Toward = "wanted",
    strength: float = 1.0,
) -> Check:
    """Read the file back, steer the model with it, and compare the logits with those under the patch or the probe."""
    vectors = gguf.read_vectors(Path(out))
    base = logits(lm, prompts)
    with steered(lm, vectors):
        actual = logits(lm, prompts)
    if isinstance(source, Patch):
        with unmerged(lm, source) as how:
            expected = logits(lm, prompts)
    else:
        directions = _of_source(source, toward, strength)
        how = "the directions added behind each block"
        with steered(lm, {layer: vector for layer, vector in directions.items() if layer}):
            expected = logits(lm, prompts)
    return compare(base, expected, actual, f"{how}; vectors read back by gguf")


@contextmanager
def steered(lm: LM, vectors: Mapping[int, Tensor]) -> Iterator[None]:
    """Add vectors to the outputs of blocks, as llama.cpp does."""
    edits = {Site(layer, "residual"): _adding(vector) for layer, vector in vectors.items()}
    with trace(lm, edit=edits):
        yield


def _adding(vector: Tensor) -> Edit:
    return lambda states: states + vector.to(states)


def _vector(term: Delta) -> Tensor:
    assert isinstance(term, Shift | Steer)
    return term.vector.double() * term.scale
