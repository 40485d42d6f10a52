"""suture bake: write a steering patch into biases, where the model can hold it exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..text.printable import command_line
from ._options import Device, Dtype, Json, Model


def bake(
    model: Model,
    patch: Annotated[Path, typer.Option("--patch", help="A patch that steers.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the baked patch.")],
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Turn steering into a patch of weights that does exactly the same, or say why there is none."""
    from ..export.bake import bake as baked
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ._console import Console

    console = Console(json)
    steering = Patch.load(patch, base=model)
    lm = LM.load(model, device=device, dtype=dtype)
    weights_patch = baked(lm, steering)
    path = weights_patch.save(out)
    console.say(f"{len(weights_patch.terms)} tensors change, checked against the steering on texts")
    console.say(f"wrote {path}")
    console.say(f"next: {command_line('eval', model, '--patch', path)}")
    console.result({"patch": path, "tensors": list(weights_patch.terms), "effect": weights_patch.provenance.effect})
