"""GGUF files: which architectures we know the names of, and how llama.cpp lays their matrices out. Needs the `gguf` package.

llama.cpp pairs neighbouring numbers in its rotary embedding where transformers pairs the two halves of a head, so its
converter sorts the rows of llama's queries and keys; an adapter's B is sorted alike:

    row i + j * d/2 of a head   ->   row 2 i + j          i < d/2, j in {0, 1}, d: numbers of a head
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import UnsupportedModel, UsageError
from ..io import gguf as container
from ..model.lm import LM


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
            fix="Use `export.lora` and llama.cpp's convert_lora_to_gguf.py, or `export.checkpoint` and convert_hf_to_gguf.py.",
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
    gguf = container.package()
    names = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}
    table = gguf.get_tensor_name_map(names[architecture(lm).name], lm.anatomy.layers)
    gguf_name = table.get_name(tensor, try_suffixes=(".weight",))
    if gguf_name is None:
        raise UsageError(
            f"{tensor} has no name in GGUF files", why="gguf's table does not list it.", fix="Use `export.lora`."
        )
    return str(gguf_name)


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
