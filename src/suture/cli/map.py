"""suture map: where safety sits in a model, as a heat map and a mask."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import typer

from ._options import Device, Dtype, Json, LabelColumn, Model, Out, TextColumn, Threshold, Unwanted, typed


def map_(
    model: Model,
    data: Annotated[
        str | None,
        typer.Option(
            help="Labelled answers, 1 for unsafe, instead of the bundled ones (the patient's own for the patient)."
        ),
    ] = None,
    share: Annotated[float, typer.Option(help="Share of all parameters to choose.")] = 0.01,
    score: Annotated[
        Literal["pairs", "probe", "judge"],
        typer.Option(help="What tells how safe the model is: log-odds of answers, a probe, or a judge model."),
    ] = "pairs",
    judge: Annotated[str | None, typer.Option(help="The judge model: a folder or a Hub name.")] = None,
    gather: Annotated[
        Literal["sum", "mean_abs"], typer.Option(help="Sum gradients over examples, or their absolute values.")
    ] = "sum",
    examples: Annotated[int, typer.Option(min=1, help="Unsafe examples used at most.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the pairing.")] = 0,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    unwanted: Unwanted = None,
    threshold: Threshold = None,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Draw where safety sits: which weights of which blocks, parts and experts move it most."""
    from ..data.examples import Behaviour
    from ..errors import UsageError
    from ..locate.mask import Mask
    from ..locate.safety_impact import safety_impact
    from ..model.lm import LM
    from ..report.safety_map import save_map
    from ..runs.run import Run
    from ..text.phase import begin, counted
    from ._console import Console
    from ._safety import labelled
    from .locate import show_mask

    console = Console(json)
    behaviour = (
        Behaviour.load(data, text=text_column, label=label_column, unwanted=unwanted, threshold=threshold)
        if data
        else labelled(model)
    )
    lm = LM.load(model, device=device, dtype=dtype)
    settings: dict[str, Any] = {"share": share, "score": score, "gather": gather, "examples": examples, "seed": seed}
    with Run.begin("map", sys.argv[1:], {"model": model, **settings}, out) as run:
        if run.folder is None:
            raise UsageError("a map is several files", why="--out names one of them.", fix="Give a folder: --out NAME")
        with console.progress("map") as step:
            weighing, drawing = counted(step, ["weigh the weights", "draw"])
            begin(weighing)
            mask = run.stage(
                "mask",
                lambda: safety_impact(lm, behaviour, judge=judge, progress=weighing, **settings),
                Mask.save,
                Mask.load,
            )
            begin(drawing)
            page = save_map(mask, run.folder, commands=[typed()])
        run.result = f"{mask.count:,} of {mask.candidates:,} weights"
    console.say(f"map: {page}")
    show_mask(console, mask, model, run.path("mask.safetensors"), map=page)
