"""What stands in a patch beside its changes: what each touched tensor was, and where the patch comes from."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from ..errors import PatchMismatch, UsageError
from ..io import tensorfile
from .host import Host


@dataclass(frozen=True)
class Stamp:
    """What one tensor is: shape, type on disk, and the SHA-256 of its bytes there.

    Attributes:
        shape: of the tensor.
        dtype: on disk, as safetensors calls it.
        sha256: of all its bytes.
        rows: SHA-256 of the rows that a patch touches alone, in their order; "" where it is not known. It says nothing of
            the tensor that `sha256` does not say, so stamps are compared without it.
    """

    shape: tuple[int, ...]
    dtype: str
    sha256: str
    rows: str = field(default="", compare=False)

    @classmethod
    def of(cls, tensor: Tensor, dtype: torch.dtype, rows: Tensor | None = None) -> Stamp:
        """Stamp a live tensor as it would stand on disk; with numbers of rows, these as well."""
        stored = tensor.detach().to(dtype)
        whole, part = _sha256(stored), ""
        if rows is not None and len(rows):
            part = whole if len(rows) == len(stored) else _sha256(stored[rows.to(stored.device)])
        return cls(tuple(stored.shape), tensorfile.NAMES[dtype], whole, part)

    def plain(self) -> dict[str, Any]:
        """Return the stamp as JSON can hold it."""
        content = vars(self)
        return content if self.rows else {key: value for key, value in content.items() if key != "rows"}


@dataclass(frozen=True)
class Provenance:
    """Where a patch comes from.

    Attributes:
        method: name of the method, or "sum".
        settings: its arguments, as JSON.
        base: name and revision of the model it was made on.
        examples: SHA-256 and number of the examples.
        effect: intended and effective norm of the change, entries changed.
        parents: provenances of the patches it was combined from.
        library: versions.
    """

    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    base: dict[str, str] = field(default_factory=dict)
    examples: dict[str, Any] = field(default_factory=dict)
    effect: dict[str, float] = field(default_factory=dict)
    parents: list[dict[str, Any]] = field(default_factory=list)
    library: dict[str, str] = field(default_factory=dict)


def check_stamps(lm: Host, stamps: Mapping[str, Stamp], base: str) -> None:
    """Raise PatchMismatch unless every tensor is, bit for bit, what its stamp says.

    Args:
        lm: the model.
        stamps: by tensor name in the checkpoint.
        base: name of the model that was stamped, for the advice.
    """
    for name, expected in stamps.items():
        try:
            stamp = Stamp.of(lm.tensor(name), lm.disk_dtype(name))
        except UsageError as problem:  # no such tensor: another architecture
            raise PatchMismatch(problem.what, why=problem.why, fix=problem.fix) from problem
        if stamp == expected:
            continue
        if (stamp.shape, stamp.dtype) != (expected.shape, expected.dtype):
            why = f"It is {stamp.dtype} {stamp.shape}, the patch is for {expected.dtype} {expected.shape}."
        else:
            why = (
                f"sha256 {stamp.sha256[:8]}.. instead of {expected.sha256[:8]}.. Already patched, or another revision?"
            )
        raise PatchMismatch(
            f"{name} differs from the weight this patch was made for", why=why, fix=f"Use the base model: {base}"
        )


def read_stamp(content: dict[str, Any]) -> Stamp:
    """Read a stamp from JSON, believing nothing."""
    shape, dtype, digest, rows = content["shape"], content["dtype"], content["sha256"], content.get("rows", "")
    if not all(type(size) is int and size >= 0 for size in shape) or dtype not in tensorfile.DTYPES:
        raise ValueError(f"a stamp of {dtype} {shape}")
    if not _is_sha256(digest) or ("rows" in content and not _is_sha256(rows)):
        raise ValueError("a stamp without a SHA-256")
    return Stamp(tuple(shape), dtype, digest, rows)


def read_provenance(content: dict[str, Any]) -> Provenance:
    """Read a provenance from JSON, believing nothing: what is printed, summed or put into pages later has its type."""
    provenance = Provenance(**content)
    for part in fields(Provenance):
        expected = str if part.name == "method" else list if part.name == "parents" else dict
        if not isinstance(getattr(provenance, part.name), expected):
            raise TypeError(f"{part.name} of its provenance is no {expected.__name__}")
    json.dumps(content, ensure_ascii=False).encode()  # halves of characters are no text
    if not all(type(number) in (int, float) for number in provenance.effect.values()):
        raise TypeError("an effect is no number")
    if not all(isinstance(word, str) for word in (*provenance.base.values(), *provenance.library.values())):
        raise TypeError("a name or version is no text")
    if not all(isinstance(parent, dict) for parent in provenance.parents):
        raise TypeError("a parent is no provenance")
    groups = provenance.examples.get("behaviours", [])
    for group in (*groups, *([provenance.examples["facts"]] if provenance.examples.get("facts") else [])):
        if type(group["count"]) is not int or not isinstance(group["sha256"], str):
            raise TypeError("examples without their number or SHA-256")
    if not all(isinstance(group["name"], str) for group in groups):
        raise TypeError("examples without a name")
    return provenance


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensorfile.view(tensor)).hexdigest()


def _is_sha256(digest: object) -> bool:
    return isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")


def versions() -> dict[str, str]:
    """Return the versions that decide what a patch is."""
    from importlib.metadata import version

    return {"suture": version("suture"), "torch": torch.__version__, "python": platform.python_version()}
