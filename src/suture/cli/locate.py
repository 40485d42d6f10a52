"""suture locate LOCATOR: find the part of the weights that carries a behaviour, and write it as a region file."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..text.printable import command_line
from ._options import Device, Dtype, Json, Model, Out
from ._signature import PROGRESS, group

if TYPE_CHECKING:
    from ..locate.direction import Direction
    from ..locate.mask import Mask
    from ..locate.region import Region
    from ._console import Console


def _body(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    def locate(
        settings: dict[str, Any],
        *,
        model: Model,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        import typing

        from ..locate.direction import Direction
        from ..locate.mask import Mask
        from ..model.lm import LM
        from ..runs.run import Run
        from ..text.heard import heard_by
        from ..text.phase import begin, within
        from ._console import Console

        console = Console(json)
        lm = LM.load(model, device=device, dtype=dtype)
        kind = typing.get_type_hints(function)["return"]
        form = sys.modules[kind.__module__].FORMAT

        @contextmanager
        def searching() -> Iterator[None]:
            with console.progress(name) as step:
                begin(step, "search")
                if PROGRESS in inspect.signature(function).parameters:
                    settings[PROGRESS] = within(step, "search")
                with heard_by(within(step, "search")):
                    yield

        stage = kind.__name__.lower()  # mask, direction or region: the name of its file, too
        with Run.begin(name, sys.argv[1:], settings, out, form=form) as run, searching():
            located = run.stage(stage, lambda: function(lm, **settings), kind.save, kind.load)
            run.result = _summary(located)
        path = run.path(f"{stage}.safetensors")
        if isinstance(located, Mask):
            show_mask(console, located, model, path)
        elif isinstance(located, Direction):
            _directions(console, located, model, path)
        else:
            _show_region(console, located, model, path, probed="probe" in settings)

    return locate


def _summary(located: Mask | Direction | Region) -> str:
    """Return what was located, for the list of runs."""
    from ..locate.direction import Direction
    from ..locate.mask import Mask

    if isinstance(located, Mask):
        return f"{located.count:,} of {located.candidates:,} weights"
    if isinstance(located, Direction):
        return f"best in block {located.best}"
    return f"{located.count} of {located.candidates} rows"


def _show_region(console: Console, region: Region, model: str, path: Path, *, probed: bool) -> None:
    rows = [
        [str(site), str(len(numbers)), f"{region.scores[site].min():+.3f}", f"{region.scores[site].max():+.3f}"]
        for site, numbers in region.rows.items()
    ]
    console.table(["where", "rows", "lowest", "highest"], rows)
    console.say(f"{region.count} of {region.candidates} rows ({region.count / region.candidates:.2%})")
    console.say(f"wrote {path}")
    same = ("--probe", "PROBE") if probed else ()  # else surgery would fit another one
    again = command_line("edit", "surgery", model, "--data", "DATA", *same, "--region", path, "--keep", "TEXTS")
    console.say(f"next: {again}")
    console.result({"region": path, "rows": region.count, "candidates": region.candidates, "about": region.about})


def show_mask(console: Console, mask: Mask, model: str, path: Path, **more: Path) -> None:
    """Say where the chosen weights lie, and where the file is."""
    cells = mask.about["cells"]
    parts = list(dict.fromkeys(cell["part"] for cell in cells))
    totals = {part: (_sum(cells, part, "chosen"), _sum(cells, part, "size")) for part in parts}
    rows = [[part, f"{chosen:,}", f"{chosen / size:.2%}"] for part, (chosen, size) in totals.items()]
    console.table(["part", "chosen", "of its weights"], rows)
    console.say(f"{mask.count:,} of {mask.candidates:,} weights ({mask.about['share']:.2%} of all parameters)")
    console.say(f"wrote {path} ({path.stat().st_size / 1000:,.1f} kB)")
    console.say(f"next: {command_line('edit', 'enhance_safety', model, '--data', 'DATA', '--mask', path)}")
    console.result({"mask": path, "entries": mask.count, "candidates": mask.candidates, "about": mask.about, **more})


def _sum(cells: list[dict[str, Any]], part: str, key: str) -> int:
    return sum(int(cell[key]) for cell in cells if cell["part"] == part)


def _directions(console: Console, direction: Direction, model: str, path: Path) -> None:
    rows = [
        [
            str(layer),
            f"{s.accuracy:.1%}",
            f"{s.auc:.3f}",
            f"{s.apart:.1f}" + " best" * (layer == direction.best),
            f"{size:.1f}",
        ]
        for layer, s, size in zip(direction.layers, direction.scores, direction.sizes.tolist(), strict=True)
    ]
    console.table(
        ["block", "held out", "AUC", "apart", "mean length"], rows, f"{direction.name}, read in the {direction.space}"
    )
    console.say(f"wrote {path}")
    console.say(f"next: {command_line('edit', 'steering', model, '--data', 'DATA', '--direction', path)}")
    scores = [vars(s) for s in direction.scores]
    console.result({"direction": path, "layers": direction.layers, "scores": scores, "best": direction.best})


app = typer.Typer(cls=group("locator", _body), no_args_is_help=True, help="Find the part that carries a behaviour.")


@app.callback()
def _root() -> None:
    """Find the part of the weights that carries a behaviour."""
