"""Whether what was loaded is the model of the files: every tensor theirs, every number one, a row for every token."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ...checkpoint.format.causes import fault, renamed
from ...checkpoint.format.header import Slot
from ..arch.forms import checkpoint_forms

log = logging.getLogger(__name__)


def check_filled(name: str | Path, model: Any, info: Mapping[str, Any]) -> None:  # noqa: ANN401 - a transformers model
    """Raise CorruptFile when a tensor of a model is not the file's; what the file has beside is noted.

    Args:
        name: of the model.
        model: as transformers loaded it.
        info: what it says of that: missing_keys, unexpected_keys, mismatched_keys.
    """
    missing, beside = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    total = len(model.state_dict())
    if missing and (prefix := _prefix(missing, beside)):
        raise renamed(name, prefix, missing, total)
    if missing:
        others = (
            f"The files have others: {_first(beside)}. Another architecture than {type(model).__name__}?"
            if beside
            else "Loaded all the same, they would be random numbers."
        )
        raise fault(
            "missing tensors", name=name, missing=len(missing), total=total, first=_first(missing), others=others
        )
    if unfit := sorted(info["mismatched_keys"], key=str):
        _unfit(name, unfit, total, getattr(model.config, "vocab_size", 0))
    if beside:
        log.warning(
            "%s: %d tensors of its files are no part of the model and are left out. First %s.",
            name,
            len(beside),
            _first(beside),
        )


def check_headers(name: str | Path, model: Any, slots: Mapping[str, Slot]) -> None:  # noqa: ANN401 - a transformers model
    """Raise CorruptFile when the files would not fill a model, as far as their headers tell.

    Args:
        name: of the model.
        model: built without memory.
        slots: the tensors in the files.
    """
    forms = checkpoint_forms(model, slots)
    # Of a tied pair the model has one; the files may hold the other.
    pairs = getattr(model, "_tied_weights_keys", None)
    tied = [{*pair} for pair in pairs.items() if not {*pair} <= {*forms}] if isinstance(pairs, Mapping) else []
    missing = [
        tensor
        for tensor in forms
        if tensor not in slots and not any(tensor in pair and pair & {*slots} for pair in tied)
    ]
    stored = {
        tensor: (tuple(slots[tensor].raw), tuple(form.shape)) for tensor, form in forms.items() if tensor in slots
    }
    unfit = [  # experts in one tensor are compared as rows
        (tensor, raw, shape)
        for tensor, (raw, shape) in stored.items()
        if raw != shape and (len(raw) < 3 or raw[-1:] != shape[-1:] or math.prod(raw) != math.prod(shape))
    ]
    beside = [tensor for tensor in slots if tensor not in forms] if missing else []
    check_filled(name, model, {"missing_keys": missing, "unexpected_keys": beside, "mismatched_keys": unfit})


def check_finite(name: str | Path, model: Any) -> None:  # noqa: ANN401 - a transformers model
    """Raise CorruptFile when a weight of a model is NaN or infinite."""
    named = list(model.named_parameters())
    broken = [(tensor, weight) for tensor, weight in named if not _finite(weight)]
    if broken:
        tensor, weight = broken[0]
        entries = int((~torch.isfinite(weight)).sum())
        raise fault(
            "not finite", name=name, broken=len(broken), total=len(named), tensor=tensor, entries=entries,
            size=weight.numel(),
        )  # fmt: skip


def check_tokens(name: str | Path, model: Any, tokenizer: Any) -> None:  # noqa: ANN401 - of transformers
    """Raise UsageError when a tokenizer has tokens for which a model has no row."""
    rows = model.get_input_embeddings().weight.shape[0]
    added = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if number >= rows}
    if added or tokenizer.vocab_size > rows:
        named = ", ".join(repr(added[number]) for number in sorted(added)[:3])
        raise fault(
            "large tokenizer",
            name=name,
            tokens=len(tokenizer),
            rows=rows,
            added=named or f"its tokens from {rows:,} on",
        )


def _unfit(name: str | Path, unfit: list[Any], total: int, rows: int) -> None:
    """Raise CorruptFile for tensors of another shape: (tensor, shape in the files, shape by the config)."""
    tensor, stored, wanted = unfit[0]
    words: dict[str, object] = {"unfit": len(unfit), "tensor": tensor, "stored": tuple(stored), "wanted": tuple(wanted)}
    resized = len(stored) == 2 and stored[1:] == wanted[1:] and wanted[0] == rows
    raise fault("resized vocabulary" if resized else "other shapes", name=name, total=total, rows=stored[0], **words)


def _finite(weight: torch.Tensor) -> bool:
    """Return whether all entries are finite, holding no copy of them: what is not finite is the least or the greatest."""
    return not weight.numel() or all(bool(torch.isfinite(end)) for end in torch.aminmax(weight.detach()))


def _first(names: list[str]) -> str:
    return ", ".join(names[:3])


def _prefix(missing: list[str], beside: list[str]) -> str:
    """Return what stands before every missing name in the files, or an empty string."""
    fit = next((other for other in beside if other.endswith(missing[0])), "")
    prefix = fit.removesuffix(missing[0])
    return prefix if prefix and {f"{prefix}{wanted}" for wanted in missing} <= {*beside} else ""
