"""Where the tensors of a checkpoint lie in the live model, which transformers may have renamed or fused on load."""

from __future__ import annotations

import json
import struct
from collections.abc import Container
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.core_model_loading import revert_weight_conversion

from .sites import Stored

SAFETENSORS_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def disk_tensors(folder: Path | None) -> dict[str, torch.dtype]:
    """Return name and dtype of every tensor in a folder's safetensors files, from their headers alone."""
    dtypes: dict[str, torch.dtype] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder else ():
        with file.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(size))
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] in SAFETENSORS_DTYPES:
                dtypes[name] = SAFETENSORS_DTYPES[entry["dtype"]]
    return dtypes


class _Traced(Tensor):
    """A tensor without data that remembers which part of which parameter it is: a copy of it stays a view."""

    def contiguous(self, *_: object, **__: object) -> Tensor:
        return self


def checkpoint_forms(model: nn.Module, on_disk: Container[str] = ()) -> dict[str, Stored]:
    """Return where every tensor of the checkpoint lies in the live model, by its name in the checkpoint.

    transformers renames and fuses tensors on load (the experts of a block become one 3-D parameter). Its own way back is
    run on tensors without data; what comes out still knows which part of which parameter it is. A tensor that would be
    computed from several parameters has no such place and is left out.

    Args:
        model: the live model.
        on_disk: names of the tensors in the files; the prefix of the decoder may be absent there.
    """
    blank = {name: torch.empty_like(p, device="meta").as_subclass(_Traced) for name, p in model.named_parameters()}
    memory = {tensor.untyped_storage()._cdata: name for name, tensor in blank.items()}
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    forms: dict[str, Stored] = {}
    for name, tensor in revert_weight_conversion(cast(Any, model), dict(blank)).items():
        live = memory.get(tensor.untyped_storage()._cdata)
        if live is not None:
            spellings = (name, name.removeprefix(prefix), prefix + name)
            forms[next((s for s in spellings if s in on_disk), name)] = Stored.of(live, tensor)
    return forms
