"""Small safetensors files, written atomically with sorted headers and read with every check before any use.

The writer is our own because the same content must give the same bytes (the reference writer orders metadata by a random
hash) and must reach the disk (it never fsyncs). Any safetensors reader can open the files. Each file carries a digest of
all of its content in its metadata, so a single flipped bit anywhere is found.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ..errors import CorruptFile, ResourceError, SutureError, UsageError
from ..text.redact import hidden
from .files import check_place, written
from .system import PATH, reported

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
GIVEN = (
    "direction",
    "mask",
    "memory",
    "patch",
    "probe",
    "region",
)  # what users hold in their hands: taken for each other
LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
ALIGN = 8


def write(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, verbatim: Collection[str] = ()
) -> None:
    """Write a file: first beside its place, flushed to disk, then renamed, so it is there whole or not at all.

    Args:
        path: where.
        tensors: by name.
        metadata: texts by name, in which secrets are hidden.
        verbatim: names of those that hold the user's own data, to be read again word for word.

    Raises:
        UsageError: when nothing can be written there, or a file of another format is there already.
        ResourceError: when the disk is full or fails.
    """
    check_form(path, metadata["format"])
    metadata = {key: text if key in verbatim else hidden(text) for key, text in metadata.items()}
    header: dict[str, Any] = {"__metadata__": {**metadata, "digest": _digest(tensors, metadata)}}
    position = 0
    for name, tensor in sorted(tensors.items()):
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + tensor.nbytes],
        }
        position += tensor.nbytes
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGN)
    with written(path) as partial, partial.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in sorted(tensors.items()):  # one after the other: no second copy of them all
            stream.write(view(tensor))


def read(path: Path, form: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file of the given `format`. No size in it is believed before it was compared with the file's own.

    Raises:
        UsageError: when there is no such file.
        CorruptFile: when anything about it is not as written.
        ResourceError: when it is larger than the memory of this machine, the disk fails, or files have run out.
    """

    def bad(why: str) -> CorruptFile:
        return CorruptFile(f"{path} is not a whole {form} file", why=why, fix="Make it again, or fetch it again.")

    with reported(f"can not read {path}", fix=PATH):
        with plain(path).open("rb") as stream:
            header, size = _header(stream, bad)
            metadata = header.pop("__metadata__", None)
            if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
                raise bad("It has no metadata.")
            if metadata.get("format") != form:
                raise _other(path, metadata.get("format", ""), form, bad)
            places, position = {}, 0
            for name, entry in sorted(header.items(), key=_offset):
                place = _parse(entry, position)
                if place is None:
                    raise bad(f"The entry of {name!r} does not fit.")
                places[name] = place
                position += place[2]
            if position != size:
                raise bad(f"Its tensors take {position} bytes, and there are {size}.")
            _check_memory(path, size)
            tensors = {name: _read_tensor(stream, *place) for name, place in places.items()}
    digest = metadata.pop("digest", "")
    if digest != _digest(tensors, metadata):
        raise bad("Its content does not have the digest it was written with.")
    return tensors, metadata


def plain(path: Path) -> Path:
    """Return a path as it is, once it is known to lead to a plain file: reading a pipe could wait for ever.

    Raises:
        UsageError: when it is something else.
        OSError: when there is none.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise UsageError(f"{path} is not a plain file", fix="Give the file itself.")
    return path


def _header(stream: BinaryIO, bad: Callable[[str], CorruptFile]) -> tuple[dict[str, Any], int]:
    """Read the header; returns it and the bytes of the data behind it."""
    total = os.fstat(stream.fileno()).st_size
    head = stream.read(8)
    if len(head) < 8:
        raise bad("It is shorter than a header.")
    (size,) = struct.unpack("<Q", head)
    if size > min(LARGEST_HEADER, total - 8):
        raise bad(f"Its header claims {size} bytes.")
    try:
        header = parsed(stream.read(size).decode())
    except ValueError as problem:
        raise bad(f"Its header is not valid: {problem}.") from problem
    if not isinstance(header, dict):
        raise bad("It has no metadata.")
    return header, total - 8 - size


def parsed(text: str) -> Any:  # noqa: ANN401 - untrusted JSON
    """Read JSON. A name that stands twice and nesting without end are a ValueError like everything else that is wrong."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem


def _check_memory(path: Path, size: int) -> None:
    """Raise ResourceError before a file is read that this machine can not hold."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there:
        raise ResourceError(
            f"{path} does not fit in memory",
            why=f"It holds {size} bytes, this machine {there}.",
            fix="Use a larger machine, or ask for the patch in parts.",
        )


def _offset(item: tuple[str, Any]) -> int:
    try:
        return int(item[1]["data_offsets"][0])
    except (TypeError, KeyError, IndexError, ValueError, OverflowError):
        return -1


def _parse(entry: Any, position: int) -> tuple[torch.dtype, list[int], int] | None:  # noqa: ANN401 - untrusted JSON
    """Return (type, shape, bytes) of an entry that begins at a position of the data; None if it does not fit."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    name, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(name, str) or name not in DTYPES or not isinstance(shape, list) or not isinstance(offsets, list):
        return None
    if len(shape) > 4 or len(offsets) != 2 or not all(type(n) is int and 0 <= n < 2**48 for n in (*shape, *offsets)):
        return None
    nbytes = math.prod(shape) * DTYPES[name].itemsize
    return (DTYPES[name], shape, nbytes) if offsets == [position, position + nbytes] else None


def _read_tensor(stream: BinaryIO, dtype: torch.dtype, shape: list[int], nbytes: int) -> Tensor:
    if nbytes == 0:
        return torch.zeros(shape, dtype=dtype)
    # where torch puts what it computes: sums do not depend on how memory is aligned
    tensor = torch.empty(shape, dtype=dtype)
    if stream.readinto(view(tensor)) != nbytes:  # type: ignore[attr-defined]
        raise OSError(errno.EIO, "it became shorter while it was read")
    return tensor


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    state = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        state.update(json.dumps([name, NAMES[tensor.dtype], list(tensor.shape)]).encode())
        state.update(view(tensor))
    return state.hexdigest()


def view(tensor: Tensor) -> memoryview:
    """Return the little-endian bytes of a tensor of any dtype: its own where it lies whole in memory."""
    plain = tensor.detach().cpu().contiguous()
    return plain.view(-1).view(torch.uint8).numpy().data if tensor.numel() else memoryview(b"")


def check_form(path: Path, form: str) -> None:
    """Raise UsageError when a file is there that is not of a format, and so must not be replaced by one of it."""
    check_place(path, lambda file: form_of(file) == form, f"a {_named(form)} file of suture's")
    if path.suffix == ".safetensors" and (path.parent / "config.json").is_file():
        raise UsageError(
            f"can not write {path}", why=f"{path.parent} is a model: loaders would take it for weights.",
            fix="Give another folder.",
        )  # fmt: skip


def _other(path: Path, other: str, form: str, bad: Callable[[str], CorruptFile]) -> SutureError:
    """Return what to say of a whole file of another format: ours, a newer one, or nobody knows whose."""
    if _named(other) == _named(form) or _named(other) not in GIVEN:
        return bad(f"Its format is {other!r}, wanted is {form!r}.")
    return UsageError(
        f"{path} is a {_named(other)} file", why=f"Wanted is a {_named(form)}.", fix="Give the other file."
    )


def _named(form: str) -> str:
    return form.removeprefix("suture.").partition("/")[0]


def discard(path: Path, form: str) -> None:
    """Remove a file of a format, if it is there; anything else of that name is left alone."""
    if path.is_file() and not path.is_symlink() and form_of(path) == form:
        path.unlink()


def differing(a: Tensor, b: Tensor) -> int:
    """Count the entries whose bits differ, of two tensors of the same shape and type."""
    one, other = (np.frombuffer(view(tensor), dtype=f"u{tensor.element_size()}") for tensor in (a, b))
    return int(np.count_nonzero(one != other))  # seven times as fast as torch is


def form_of(path: Path) -> str:
    """Return the format a file claims to have, from the start of it alone; an empty string if it is none of ours.

    Raises:
        UsageError: when there is no such file.
        ResourceError: when the disk fails, or files have run out.
    """
    return metadata_of(path).get("format", "")


def metadata_of(path: Path) -> dict[str, str]:
    """Return the texts a file has in its header, from the start of it alone; none if it is no safetensors file.

    Raises:
        UsageError: when there is no such file.
        ResourceError: when the disk fails, or files have run out.
    """
    try:
        with reported(f"can not read {path}", fix=PATH), plain(path).open("rb") as stream:
            head = stream.read(8)
            size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            header = json.loads(stream.read(min(size, LARGEST_HEADER)))
        return {str(key): str(text) for key, text in header["__metadata__"].items()}
    except SutureError:  # said already
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
