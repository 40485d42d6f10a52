"""Who reads beside a command that writes: suture's own readers, a program that uses suture, and one that does not."""

import hashlib
import sys
from pathlib import Path

import torch
from safetensors import safe_open

from suture.checkpoint.change.rows import Rows
from suture.checkpoint.format.reading import reading
from suture.errors import SutureError

READERS = {  # by the way of writing; what is written as a file has no checkpoint to verify
    "in place": ["verify", "show", "diff", "library"],
    "repair": ["verify", "show", "diff", "library"],
    "new folder": ["verify", "show", "diff", "library", "plain"],
    "file": ["show"],
    "export": ["plain"],
}


def read_plainly(folder: Path) -> dict[str, str]:
    """Read every tensor with safetensors, as any program does."""
    if not folder.exists():
        raise SystemExit(f"error: no {folder}")
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            found |= {name: digest(opened.get_tensor(name)) for name in opened.keys()}
    return found


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def read_by_library(folder: Path) -> dict[str, str]:
    """Read every tensor as a program does that uses suture."""
    try:
        with reading(folder) as opened:
            return {name: Rows(slot, slot.shape).sha256() for name, slot in sorted(opened.slots.items())}
    except SutureError as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(problem.exit_code) from None
