"""A merged checkpoint: a folder that plain transformers loads, made in memory, for models that fit there.

    W' = cast(W + D)        the same bytes as the patch promises (its `after` stamps), every other tensor as it was

The type on disk is kept, also where the model was computed in a wider one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import UsageError, VerificationFailed
from ..io.files import built, check_empty
from ..model.lm import LM
from ..patch.patch import Patch
from ..patch.provenance import Stamp
from ._exported import Exported
from .check import PROMPTS, Check, compare, logits


def export(lm: LM, patch: Patch, out: str | Path) -> Exported:
    """Write model and tokenizer with the patch applied.

    Raises:
        UsageError: when something is in the folder already.
        PatchMismatch: when the patch is for another base.
    """
    folder = Path(out).resolve()
    check_empty(folder)
    stored = lm.anatomy.stored()
    types, live_types = {lm.disk_dtype(name) for name in stored}, {tensor.dtype for tensor in stored.values()}
    exact = all(
        torch.promote_types(tensor.dtype, lm.disk_dtype(name)) == tensor.dtype for name, tensor in stored.items()
    )
    if not exact or (types != live_types and len(types) != 1):
        names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in types))
        raise UsageError(
            "this model can not be written as it was stored",
            why=f"It is {names} on disk, and was loaded in a type that does not hold all of it, or mixes types.",
            fix='Load it as stored or wider: `dtype="auto"`, `dtype="float32"`',
        )
    with built(folder) as partial:
        with patch.applied(lm):
            model = lm.model if types == live_types else copy.deepcopy(lm.model).to(next(iter(types)))
            model.save_pretrained(partial)
        lm.tokenizer.save_pretrained(partial)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return Exported(folder, files, check=lambda prompts: check(lm, patch, folder, prompts))


def check(lm: LM, patch: Patch, out: str | Path, prompts: Sequence[str] = PROMPTS) -> Check:
    """Load the folder in plain transformers and compare: every tensor byte for byte, and the logits bit for bit.

    Raises:
        VerificationFailed: when a tensor is not what the patch promises or was not left alone.
    """
    dtype = str(next(lm.model.parameters()).dtype).removeprefix("torch.")
    again = LM.load(Path(out), dtype=dtype, device=str(lm.device))
    base = logits(lm, prompts)
    with patch.applied(lm):
        expected = logits(lm, prompts)
        for name, tensor in lm.anatomy.stored().items():
            stamp = Stamp.of(again.tensor(name), again.disk_dtype(name))
            if stamp != patch.after.get(name, Stamp.of(tensor, lm.disk_dtype(name))):
                raise VerificationFailed(
                    f"{name} in {out} is not what the patch makes of it",
                    why=f"sha256 {stamp.sha256[:8]}.., {stamp.dtype} {stamp.shape}.",
                    fix="Do not use it; report this as a bug with the command and the model.",
                )
    comparison = compare(base, expected, logits(again, prompts), "the applied patch; checkpoint loaded by transformers")
    return Check(**{**vars(comparison), "tolerance": 0.0})
