"""GGUF files as containers of fields and float32 tensors, whatever they are for. Needs the `gguf` package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CorruptFile, MissingFile, UsageError
from ..text.redact import hidden
from .files import check_place, written

VECTOR = "direction."  # before the number of a block, in a control vector
NAMED = re.compile(r"direction\.\d{1,6}")
MADE = "suture.version"  # the first field of what is written here: no other file is replaced
HEAD = 256  # bytes in which it is found


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


@dataclass(frozen=True)
class GGUFHeader:
    """What a GGUF file of a model says of it before a tensor is read.

    Attributes:
        family: `general.architecture`, as llama.cpp names it.
        types: of all tensors.
        matrix_types: of those with two axes.
        head: size of a head of the attention, where the file says it.
    """

    family: str
    types: tuple[str, ...]
    matrix_types: tuple[str, ...]
    head: int | None = None


def read_header(path: Path) -> GGUFHeader:
    """Return the header of a GGUF file.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when it is none, or says no family.
    """
    gguf = package()
    if not path.is_file():
        raise MissingFile(f"can not read {path}", why="There is no such file.", fix="Check the path.")
    try:
        reader = gguf.GGUFReader(path)
        family = reader.fields["general.architecture"].contents()
        head = reader.fields.get(f"{family}.attention.key_length")
        size = None if head is None else int(head.contents())
        types = [(tensor.tensor_type.name, len(tensor.shape)) for tensor in reader.tensors]
    except (ValueError, IndexError, KeyError, TypeError) as problem:
        raise CorruptFile(f"{path} is not a whole GGUF file", why=repr(problem), fix="Fetch it again.") from problem
    matrices = tuple(sorted({name for name, axes in types if axes > 1}))
    return GGUFHeader(str(family), tuple(sorted({name for name, _ in types})), matrices, size)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return fields and float32 tensors of a GGUF file.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when it is none.
    """
    gguf = package()
    if not path.is_file():
        raise MissingFile(f"can not read {path}", why="There is no such file.", fix="Check the path.")
    try:
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        return fields, {str(tensor.name): torch.tensor(tensor.data.copy()) for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, TypeError) as problem:
        raise CorruptFile(f"{path} is not a whole GGUF file", why=repr(problem), fix="Export it again.") from problem


def read_vectors(path: Path) -> dict[int, Tensor]:
    """Return the direction of each block from a control vector of llama.cpp.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when it is no control vector.
    """
    fields, tensors = read(path)
    if fields.get("general.architecture") != "controlvector" or not all(map(NAMED.fullmatch, tensors)):
        raise CorruptFile(f"{path} is no control vector", fix="Export it again.")
    return {int(name.removeprefix(VECTOR)): tensor for name, tensor in tensors.items()}
