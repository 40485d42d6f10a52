"""A model from a GGUF file as an ordinary folder: config, tokenizer, chat template and dequantised safetensors.

transformers reads the file; it may keep weights packed and then marks the model as quantised, so it is told not to, and the
mark is taken off. What it would fill with random numbers is an error here, as everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open

from ...errors import CorruptFile, UnsupportedModel, UsageError
from ...io.gguf import GGUFHeader, read_header
from ...text.phase import Progress, begin
from .filled import check_filled, check_finite, check_tokens
from .loading import quiet

FAMILIES = {  # as llama.cpp names them, and what is read as such
    "llama": "Llama, Mistral, SmolLM",
    "qwen2": "Qwen 2",
    "qwen3": "Qwen 3",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "phi3": "Phi-3",
}
PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
PHASES = ("read the GGUF file", "write the folder")


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        family: of the model, as llama.cpp names it.
        stored: types of the tensors in the GGUF file.
        dtype: of the tensors in the folder.
        parameters: how many the model has.
    """

    family: str
    stored: tuple[str, ...]
    dtype: torch.dtype
    parameters: int


def check_extra() -> None:
    """Raise UsageError when a package is missing that transformers needs to read GGUF."""
    missing = [name for name in ("gguf", "accelerate") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"GGUF files are read with {' and '.join(missing)}", why="Not installed.", fix="pip install 'suture[gguf]'"
        )


def check_family(file: Path) -> GGUFHeader:
    """Return what the header of a GGUF file says.

    Raises:
        UsageError: when there is no such file, or a package is missing.
        UnsupportedModel: when its family is none that suture reads, or it is no language model.
        CorruptFile: when it is no GGUF file.
    """
    check_extra()
    header = read_header(file)
    if header.family not in FAMILIES:
        known = ", ".join(f"{name} ({family})" for name, family in FAMILIES.items())
        raise UnsupportedModel(
            f"{file} is a GGUF file of {header.family}, which suture does not read",
            why=f"It reads {known}.",
            fix="Use the model that it was made from, in safetensors.",
        )
    return header


def gguf_folder(
    file: Path, folder: Path, *, dtype: torch.dtype | None = None, progress: Progress | None = None
) -> Converted:
    """Write a model from a GGUF file into a folder that is there and empty; the caller sees to it being whole or not there.

    Args:
        file: the GGUF file.
        folder: where.
        dtype: of the tensors; by default as in the file where that is not quantised, else bfloat16.
        progress: called with (what, done, of).

    Raises:
        UsageError, UnsupportedModel: as `check_family`.
        CorruptFile: when the file does not hold the model that it says.
    """
    header = check_family(file)
    begin(progress, PHASES[0])
    dtype = dtype or _dtype(header)
    place, options = (
        file.absolute().parent,
        {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False},
    )
    with quiet():
        tokenizer = _asked(file, lambda: transformers.AutoTokenizer.from_pretrained(place, **options))
        config = _asked(file, lambda: transformers.AutoConfig.from_pretrained(place, **options))
        if header.head is not None and hasattr(config, "head_dim"):
            config.head_dim = header.head  # transformers 5.23 takes 128 for every Qwen 3
        model, info = _asked(
            file,
            lambda: transformers.AutoModelForCausalLM.from_pretrained(
                place, config=config, dtype=dtype, output_loading_info=True, **options, **_unpacked()
            ),
        )
    check_filled(file, model, info)
    check_finite(file, model)
    check_tokens(file, model, tokenizer)
    begin(progress, PHASES[1])
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # else it can not be saved, and no loader would take it for what it is
    model.is_quantized, model.hf_quantizer = False, None
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Converted(header.family, header.types, dtype, parameters)


def tensors_sha256(folder: Path) -> str:
    """Return the SHA-256 of all tensors of a folder: name, type, shape and bytes of each, in the order of their names."""
    digest = hashlib.sha256()
    held: dict[str, Path] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            held |= dict.fromkeys(tensors.keys(), file)
    for name, file in sorted(held.items()):
        with safe_open(file, "pt") as tensors:
            tensor = tensors.get_tensor(name)
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _unpacked() -> dict[str, Any]:
    """Return what tells transformers to unpack all weights; before 5.23 it always did."""
    kind = getattr(transformers, "GgufConfig", None)
    return {} if kind is None else {"quantization_config": kind(dequantize=True)}


def _dtype(header: GGUFHeader) -> torch.dtype:
    """Return the type that holds what the matrices hold, bfloat16 where one of them is quantised."""
    matrices = set(header.matrix_types)
    if not matrices <= PLAIN.keys():
        return torch.bfloat16
    return PLAIN[matrices.pop()] if len(matrices) == 1 else torch.float32


def _asked(file: Path, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - of transformers
    """Return what transformers makes of a file, with its complaints as an error for users."""
    try:
        return ask()
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RuntimeError) as problem:
        why = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
        raise CorruptFile(
            f"transformers can not make a model of {file}", why=why, fix="Fetch the file again, or use the safetensors."
        ) from problem
