"""suture plan MODEL: what a run will read, hold and take, before any weight is loaded."""

from __future__ import annotations

from typing import Annotated

import typer

from ._options import Device, Dtype, Json, Model


def plan(
    model: Model,
    examples: Annotated[int, typer.Option(min=1, help="Labelled texts.")] = 600,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of each.")] = 64,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Forecast memory, time and coverage from a model's config alone."""
    from dataclasses import asdict

    import torch

    from ..plan import plan as forecast
    from ._console import Console

    console = Console(json)
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    found = forecast(model, examples=examples, tokens=tokens, dtype=dtype, device=place)
    rows = [[part, f"{n:,}", f"{n / found.parameters:.1%}"] for part, n in found.coverage.items()]
    rows.append(["all", f"{found.parameters:,}", "100.0%"])
    console.table(["part", "parameters", "share"], rows, f"{model}: {found.layout} layout")
    console.say()
    figures = [
        ["read from disk", _size(found.read)],
        ["held for the weights", _size(found.weights)],
        ["held while texts are read", _size(found.work)],
        [f"features of {examples} texts, every block", _size(found.result)],
        ["held by the program itself", _size(found.process)],
        ["peak", _size(found.peak)],
        ["rows to choose among", f"{found.candidates:,}"],
        [f"reading {examples} texts of {tokens} tokens", f"{found.operations / 1e12:,.2f} TFLOP"],
        ["  at the rate measured here", f"{found.seconds:,.1f} s at least" if found.seconds else "-"],
    ]
    console.table(["", ""], figures)
    console.result({**asdict(found), "parameters": found.parameters, "peak": found.peak})


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
