"""Tensors that must not be edited as they stand: quantised ones, and embeddings that are also the output head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .folder import Checkpoint

FLOATS = ("F64", "F32", "F16", "BF16")
# Endings of the tensors that quantised weights come with, beside or instead of NAME.weight.
BESIDE = {
    ".qweight": "GPTQ or AWQ", ".qzeros": "GPTQ or AWQ", ".weight_packed": "compressed-tensors", ".SCB": "bitsandbytes int8",
    ".weight.SCB": "bitsandbytes int8", ".weight.absmax": "bitsandbytes 4-bit", ".weight.quant_map": "bitsandbytes 4-bit",
    ".weight_scale_inv": "fp8", ".weight_scale": "fp8 or int8 with scales", "_blocks": "MXFP4", "_scales": "MXFP4",
}  # fmt: skip
DTYPES = {"I8": "int8", "U8": "packed bytes", "I32": "packed int32", "F4": "fp4", "F8_E8M0": "MX scales"}
METHODS = {"bitsandbytes": "bitsandbytes", "gptq": "GPTQ", "awq": "AWQ"}
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "tok_embeddings.weight")
HEADS = ("lm_head.weight", "embed_out.weight")


def scheme(checkpoint: Checkpoint, name: str) -> str:
    """Return how a tensor is quantised, or an empty string if it is not (or is not there at all)."""
    slot = checkpoint.slots.get(name)
    if slot is not None and slot.dtype in FLOATS and not _packing(checkpoint, name):
        return ""
    kind = _packing(checkpoint, name)
    if slot is not None and not kind:
        kind = DTYPES.get(slot.dtype, "fp8" if slot.dtype.startswith("F8") else slot.dtype)
    settings = checkpoint.config.get("quantization_config")
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    return f"{kind} (quant_method {method})" if kind and method else kind


def quantisation(config: Mapping[str, Any]) -> str:
    """Return how config.json says that a model is quantised, or an empty string.

    MXFP4 is left out: transformers turns it into plain numbers on load (gpt-oss); only its files can not be patched.
    """
    settings = config.get("quantization_config")
    if not isinstance(settings, Mapping) or settings.get("quant_method") == "mxfp4":
        return ""
    method = str(settings.get("quant_method") or "an unnamed method")
    bits = settings.get("bits") or (4 if settings.get("load_in_4bit") else 8 if settings.get("load_in_8bit") else "")
    return METHODS.get(method, method) + (f" {bits}-bit" if bits else "")


def tied(checkpoint: Checkpoint, name: str) -> str:
    """Return why a tensor is shared between input and output, or an empty string if it is not."""
    if not name.endswith((*EMBEDDINGS, *HEADS)):
        return ""
    says = checkpoint.config.get("tie_word_embeddings")
    if says is True:
        return "config.json says tie_word_embeddings."
    if says is None and not any(other.endswith(HEADS) for other in checkpoint.slots):
        return "The checkpoint has no output head of its own."
    return ""


def twins(checkpoint: Checkpoint, name: str) -> list[str]:
    """Return the other embeddings or heads that may be stored copies of one: of its shape and type, and not said to be apart."""
    slot = checkpoint.slots.get(name)
    if (
        slot is None
        or not name.endswith((*EMBEDDINGS, *HEADS))
        or checkpoint.config.get("tie_word_embeddings") is False
    ):
        return []
    return [
        other
        for other, twin in sorted(checkpoint.slots.items())
        if other != name and other.endswith((*EMBEDDINGS, *HEADS)) and (twin.raw, twin.dtype) == (slot.raw, slot.dtype)
    ]


def _packing(checkpoint: Checkpoint, name: str) -> str:
    stem = name.removesuffix(".weight")
    kinds = (kind for ending, kind in BESIDE.items() if stem + ending in checkpoint.slots and stem + ending != name)
    return next(kinds, "") or ("MXFP4" if name.endswith(("_blocks", "_scales")) else "")
