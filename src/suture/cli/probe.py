"""suture probe: fit a linear probe of a behaviour and say where in the model it can be read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..text.printable import command_line
from ._options import Data, Device, Dtype, Json, LabelColumn, Model, Out, TextColumn, Threshold, Unwanted

if TYPE_CHECKING:
    from ..locate.probe import Probe
    from ._console import Console


def probe(
    model: Model,
    data: Data,
    space: Annotated[Literal["mlp.in", "residual", "final"], typer.Option(help="Where the state is read.")] = "mlp.in",
    pool: Annotated[
        Literal["mean", "mean_with_bos", "last", "response", "decision"], typer.Option(help="Tokens pooled.")
    ] = "response",
    parity: Annotated[str | None, typer.Option(help='"paper": the recipe of the Model Surgery paper.')] = None,
    seed: Annotated[int, typer.Option(help="Of the held-out split.")] = 0,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    unwanted: Unwanted = None,
    threshold: Threshold = None,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Fit a linear probe of a behaviour, layer by layer, and write it to a file."""
    from ..data.examples import Behaviour
    from ..errors import UsageError
    from ..locate.probe import FORMAT, Probe, fit_probe
    from ..model.lm import LM
    from ..runs.run import Run
    from ._console import Console

    console = Console(json)
    if len(data) != 1:
        raise UsageError("a probe is fitted on one behaviour", fix="Give --data once.")
    if parity not in (None, "paper"):
        raise UsageError(f"no parity {parity!r}", fix="Use --parity paper, or leave it out.")
    behaviour = Behaviour.load(data[0], text=text_column, label=label_column, unwanted=unwanted, threshold=threshold)
    lm = LM.load(model, device=device, dtype=dtype)
    settings = {"space": space, "pool": pool, "parity": parity, "seed": seed}
    with Run.begin("probe", sys.argv[1:], settings, out, form=FORMAT) as run, console.progress("probe") as step:

        def fit() -> Probe:
            return fit_probe(lm, behaviour, **settings, progress=step)  # type: ignore[arg-type]

        fitted = run.stage("probe", fit, Probe.save, Probe.load)
        path, first = run.path("probe.safetensors"), fitted.scores[0]
        run.result = f"{fitted.scores[fitted.best].accuracy:.1%} of {first.held_out} held-out texts"
    _tell(console, fitted, path, behaviour.name, model)


def _tell(console: Console, fitted: Probe, path: Path, name: str, model: str) -> None:
    """Print how well the probe of each layer does, and what to do next."""
    first = fitted.scores[0]
    rows = [
        [
            "final" if layer < 0 else str(layer),
            f"{s.train_accuracy:.1%}",
            f"{s.accuracy:.1%}",
            f"{s.auc:.3f}",
            f"{s.apart:.1f}" + (" best" if index == fitted.best and len(fitted.layers) > 1 else ""),
        ]
        for index, (layer, s) in enumerate(zip(fitted.layers, fitted.scores, strict=True))
    ]
    console.table(["layer", "train", "held out", "AUC", "apart"], rows, f"{name}, read at {fitted.space}")
    console.say(f"{first.train} texts to fit, {first.held_out} held out")
    console.say(f"wrote {path}")
    console.say(f"next: {command_line('locate', 'effect_rows', model, '--probe', path)} --behaviour DATA --keep TEXTS")
    console.result(
        {
            "probe": path,
            "space": fitted.space,
            "layers": fitted.layers,
            "scores": [vars(s) for s in fitted.scores],
            "best": fitted.layers[fitted.best],
        }
    )
