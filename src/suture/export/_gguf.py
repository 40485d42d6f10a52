"""GGUF files: which architectures we know the names of, and how llama.cpp lays their matrices out. Needs the `gguf` package.

llama.cpp pairs neighbouring numbers in its rotary embedding where transformers pairs the two halves of a head, so its
converter sorts the rows of llama's queries and keys; an adapter's B is sorted alike:

    row i + j * d/2 of a head   ->   row 2 i + j          i < d/2, j in {0, 1}, d: numbers of a head
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CorruptFile, UnsupportedModel, UsageError
from ..io.files import check_place, written
from ..model.lm import LM
from ..text.redact import hidden

MADE = "suture.version"  # the first field of what is written here: no other file is replaced
HEAD = 256  # bytes in which it is found


@dataclass(frozen=True)
class Architecture:
    """What llama.cpp calls an architecture, and whether its converter sorts the rows of queries and keys."""

    name: str
    sorted_heads: bool = False


# By transformers' model_type. Only those whose matrices the converter leaves as they are, but for the sorting.
ARCHITECTURES = {
    "llama": Architecture("llama", sorted_heads=True),
    "mistral": Architecture("llama", sorted_heads=True),
    "olmo": Architecture("olmo", sorted_heads=True),
    "olmo2": Architecture("olmo2"),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
    "gemma": Architecture("gemma"),
    "gemma2": Architecture("gemma2"),
    "gemma3_text": Architecture("gemma3"),
    "phi3": Architecture("phi3"),
    "gpt2": Architecture("gpt2"),
}


def package() -> Any:  # noqa: ANN401 - a module without types
    """Return the `gguf` package.

    Raises:
        UsageError: when it is not installed.
    """
    try:
        import gguf
    except ImportError as problem:
        raise UsageError(
            "GGUF files need the gguf package", why="It is not installed.", fix="pip install 'suture[gguf]'"
        ) from problem
    return gguf


def architecture(lm: LM) -> Architecture:
    """Return what llama.cpp calls the model's architecture.

    Raises:
        UnsupportedModel: for one whose layout in GGUF files is not known here.
    """
    kind = str(lm.model.config.model_type)
    if kind not in ARCHITECTURES:
        raise UnsupportedModel(
            f"the GGUF layout of {kind} is not known here",
            why=f"Known: {', '.join(ARCHITECTURES)}.",
            fix="Use --to lora and llama.cpp's convert_lora_to_gguf.py, or --to checkpoint and convert_hf_to_gguf.py.",
        )
    return ARCHITECTURES[kind]


def known_as(lm: LM) -> str:
    """Return llama.cpp's name of the model's architecture; where it is not known here, transformers'."""
    kind = str(lm.model.config.model_type)
    return ARCHITECTURES[kind].name if kind in ARCHITECTURES else kind


def tensor_name(lm: LM, tensor: str) -> str:
    """Return the name of a checkpoint tensor in a GGUF file, such as blk.5.ffn_gate.weight.

    Raises:
        UsageError: when llama.cpp has no such tensor.
    """
    gguf = package()
    names = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}
    table = gguf.get_tensor_name_map(names[architecture(lm).name], lm.anatomy.layers)
    found = table.get_name(tensor, try_suffixes=(".weight",))
    if found is None:
        raise UsageError(
            f"{tensor} has no name in GGUF files", why="gguf's table does not list it.", fix="Use --to lora."
        )
    return str(found)


def heads(lm: LM, tensor: str) -> int:
    """Return into how many heads llama.cpp's converter sorts the rows of a checkpoint tensor; 0 if it leaves them."""
    if not architecture(lm).sorted_heads:
        return 0
    config = lm.model.config
    if tensor.endswith("q_proj.weight"):
        return int(config.num_attention_heads)
    return int(config.num_key_value_heads) if tensor.endswith("k_proj.weight") else 0


def sort_rows(matrix: Tensor, heads: int, *, back: bool = False) -> Tensor:
    """Return a matrix (out, ...) with the rows of each head as llama.cpp has them, or `back` as transformers has them."""
    rows = torch.arange(matrix.shape[0]).view(heads, 2, -1).transpose(1, 2).flatten()
    return matrix[rows.argsort() if back else rows].contiguous()


def write(
    path: Path, architecture: str, fields: Mapping[str, str | int | float], tensors: Mapping[str, Tensor]
) -> None:
    """Write a GGUF file, whole or not at all: strings, uint32 and float32 fields, float32 tensors.

    Raises:
        UsageError: when nothing can be written there, or a file is there already that suture did not write.
        ResourceError: when the disk is full or fails.
    """
    gguf = package()
    check_gguf(path)
    with written(path) as partial:
        writer = gguf.GGUFWriter(partial, architecture)
        writer.add_string(MADE, version("suture"))
        for key, value in fields.items():
            add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
            add(key, hidden(value) if isinstance(value, str) else value)
        for name, tensor in tensors.items():
            writer.add_tensor(name, tensor.detach().cpu().float().contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def check_gguf(path: Path) -> None:
    """Raise UsageError when a file is there that suture did not write as a GGUF file: it must not be replaced."""
    check_place(path, _ours, "a GGUF file that suture wrote")


def _ours(path: Path) -> bool:
    """Return whether a file is a GGUF file that suture wrote; the mark is its first field."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    return head.startswith(b"GGUF") and MADE.encode() in head


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return fields and float32 tensors of a GGUF file.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when it is none.
    """
    gguf = package()
    if not path.is_file():
        raise UsageError(f"can not read {path}", why="There is no such file.", fix="Check the path.")
    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        return fields, {str(tensor.name): torch.tensor(tensor.data.copy()) for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, TypeError) as problem:
        raise CorruptFile(f"{path} is not a whole GGUF file", why=repr(problem), fix="Export it again.") from problem
