"""A LoRA adapter for llama.cpp: one GGUF file that `llama-cli --lora FILE` and `llama-server --lora FILE` load.

    y = W x + s * B (A x)     blk.N.PART.weight.lora_a: A (r, in)   blk.N.PART.weight.lora_b: B (out, r)
    s = strength * alpha / r, or the strength alone where alpha is 0

alpha is the rank where all matrices have the same, so s is 1 at strength 1; with different ranks alpha is 0, which means the
same to llama.cpp. Rows of queries and keys are sorted where llama.cpp's converter sorts them (see `_gguf`). The base may be
quantised: the adapter stays float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ..errors import CorruptFile, UsageError
from ..io import gguf
from ..model.lm import LM
from ..patch.delta import LowRank
from ..patch.patch import Patch
from . import _gguf
from ._exported import Exported
from .check import PROMPTS, Check, compare, logits, unmerged
from .factors import Adapted, adapted

A, B = ".lora_a", ".lora_b"


def export(lm: LM, patch: Patch, out: str | Path, *, rank: int | None = None) -> Exported:
    """Write the adapter.

    Args:
        lm: the model the patch is for; read, not changed.
        patch: the change.
        out: the file, by custom `.gguf`.
        rank: approximate what has a higher rank, or no factors at all, by this one.

    Raises:
        UsageError: for a change that an adapter can not hold; says what can.
        UnsupportedModel: for an architecture whose GGUF names and layout are not known here.
    """
    kind = _gguf.architecture(lm)
    changes = adapted(lm, patch, rank)
    tensors: dict[str, Tensor] = {}
    for change in changes:
        tensor = _tensor_of(lm, change)
        name, left = _gguf.tensor_name(lm, tensor), change.factors[0].left
        if heads := _gguf.heads(lm, tensor):
            left = _gguf.sort_rows(left, heads)
        tensors[name + A], tensors[name + B] = change.factors[0].right, left
    ranks = {change.rank for change in changes}
    fields: dict[str, str | int | float] = {
        "general.type": "adapter",
        "general.name": f"{patch.provenance.method} on {lm.name}",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(ranks.pop()) if len(ranks) == 1 else 0.0,
    }
    path = Path(out)
    gguf.write(path, kind.name, fields, tensors)
    shares = {change.parameter: change.kept for change in changes if change.kept < 1}
    return Exported(path, [path], shares, check=lambda prompts: check(lm, patch, path, prompts, exact=not shares))


def check(lm: LM, patch: Patch, out: str | Path, prompts: Sequence[str] = PROMPTS, *, exact: bool = True) -> Check:
    """Read the file back, undo the sorting of rows, and compare the logits with those under the patch."""
    base = logits(lm, prompts)
    with unmerged(lm, patch) as how:
        expected = logits(lm, prompts)
    again = Patch(dict(read(lm, out)), {}, patch.provenance)
    with again.attached(lm):
        actual = logits(lm, prompts)
    return compare(base, expected, actual, f"{how}; factors read back by gguf", exact=exact)


def read(lm: LM, path: str | Path) -> dict[str, tuple[LowRank]]:
    """Return the change that a file makes, by the names of the model's checkpoint tensors, in their layout.

    Raises:
        CorruptFile: when it is no adapter for this model.
    """
    fields, tensors = gguf.read(Path(path))
    names = {}
    for tensor in lm.anatomy.stored():
        if len(lm.tensor(tensor).shape) == 2 and f"{(name := _gguf.tensor_name(lm, tensor))}{A}" in tensors:
            names[name] = tensor
    kind = (fields.get("general.type"), fields.get("adapter.type"), fields.get("general.architecture"))
    if kind != ("adapter", "lora", _gguf.architecture(lm).name) or tensors.keys() != {
        n + e for n in names for e in (A, B)
    }:
        raise CorruptFile(f"{path} is no LoRA adapter for {lm.name}", why=f"It is {kind}.", fix="Export it again.")
    changes = {}
    for name, tensor in names.items():
        right, left = tensors[name + A], tensors[name + B]
        if heads := _gguf.heads(lm, tensor):
            left = _gguf.sort_rows(left, heads, back=True)
        alpha = float(fields.get("adapter.lora.alpha", 0.0))  # absent means 0, as for llama.cpp
        delta = LowRank(left, right, scale=alpha / left.shape[1] if alpha else 1.0)
        changes[tensor] = (delta.transposed() if lm.linear(tensor)[1] else delta,)
    return changes


def _tensor_of(lm: LM, change: Adapted) -> str:
    """Return the one checkpoint tensor that is the matrix."""
    if not change.linear:
        raise UsageError(
            f"{change.parameter} has no place in a GGUF adapter",
            why="It is no linear layer of its own (experts, a router).",
            fix="Use `export.checkpoint`, then llama.cpp's convert_hf_to_gguf.py.",
        )
    return next(name for name in lm.anatomy.stored() if lm.anatomy.form(name).live == change.parameter)
