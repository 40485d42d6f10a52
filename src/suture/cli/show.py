"""suture show FILE: what is in a patch, probe or region. Reads the file alone, never a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..text.printable import command_line
from ._options import Json

if TYPE_CHECKING:
    from ._console import Console


def show(
    file: Annotated[
        Path, typer.Argument(help='A patch, probe or region file, a report.json, a checkpoint, or "patient".')
    ],
    json: Json = False,
) -> None:
    """Show what a file holds, where it comes from and what it was made for."""
    from ..errors import UsageError
    from ..io import tensorfile
    from ..io.adapters import is_adapter
    from ..io.tensorfile import form_of
    from ..runs.run import PATCH, RESULT
    from ._console import Console
    from ._stacks import folder

    console = Console(json)
    file = folder(file)
    if is_adapter(file):
        console.result(_patch(console, file))
        return
    if file.is_dir():
        console.result(_checkpoint(console, file))
        return
    if file.suffix == ".json" and file.is_file():
        console.result(_report(console, file))
        return
    form = form_of(file)
    if not form and file.suffix == RESULT:
        tensorfile.read(file, PATCH)  # says what is not whole
    if form == "suture.patch/1":
        content = _patch(console, file)
    elif form == "suture.probe/1":
        content = _probe(console, file)
    elif form == "suture.region/1":
        content = _region(console, file)
    elif form == "suture.direction/1":
        content = _direction(console, file)
    else:
        raise UsageError(
            f"{file} is not a suture file",
            why=f"Its format is {form!r}.",
            fix="Give a patch, probe, direction or region.",
        )
    console.result(content)


def _report(console: Console, file: Path) -> dict[str, Any]:
    import json as codec

    from ..errors import DataError

    try:
        report = codec.loads(file.read_text(encoding="utf-8"))
        rows = [
            [
                line["about"],
                *(f"{line['score'][when]:.4g}" for when in ("before", "after")),
                str(line["score"]["cases"]),
            ]
            for line in report["lines"]
        ]
        title = f"{report['method']} on {report['model']}"
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{file} is not a report", why=repr(problem), fix="Give the report.json of an evaluation."
        ) from problem
    console.table(["property", "base", "edited", "n"], rows, title)
    return dict(report)


def _checkpoint(console: Console, folder: Path) -> dict[str, Any]:
    from ..checkpoint.format.reading import steady
    from ..checkpoint.stack.ledger import Ledger
    from ..errors import UsageError

    with steady(folder):
        ledger = Ledger.load(folder)
    if not ledger.patches:
        raise UsageError(f"no patch is on {folder}", why="It has no suture.json.", fix="Give a patched checkpoint.")
    rows = [
        [str(number), e.name, e.sha256[:12], e.method, f"{e.scale:g}", str(e.floor), "; ".join(e.forced) or "-"]
        for number, e in enumerate(ledger.patches, 1)
    ]
    console.table(["no.", "patch", "sha256", "method", "scale", "floor", "forced"], rows, f"patches on {folder}")
    tensors = [
        [name, m.dtype, m.base[:12], m.current[:12] or f"rows {m.rows[:12]}"] for name, m in ledger.tensors.items()
    ]
    console.table(["tensor", "type", "sha256 before", "sha256 now"], tensors)
    console.say(
        f"check it: {command_line('verify', folder)}    take patches off: {command_line('revert', folder, '-o', 'OUT')}"
    )
    return ledger.plain()


def _patch(console: Console, file: Path) -> dict[str, Any]:
    from ..patch.patch import Patch

    patch = Patch.load(file)
    provenance = patch.provenance
    rows = []
    for tensor, terms in patch.terms.items():
        stamp = patch.before[tensor]
        touched = sum(len(term.touched_rows(stamp.shape)) for term in terms)
        kinds = " + ".join(f"{term.scale:g} x {term.kind}" for term in terms)
        rows.append([tensor, kinds, f"{touched} of {stamp.shape[0]}", stamp.dtype, stamp.sha256[:12]])
    console.table(["tensor", "change", "rows", "type", "sha256 before"], rows, f"patch by {provenance.method}")
    console.say(f"base      {provenance.base.get('name', '?')} {provenance.base.get('revision', '')}".rstrip())
    for key, value in _flat(provenance.settings):
        console.say(f"setting   {key} = {value}")
    for behaviour in provenance.examples.get("behaviours", []):
        console.say(f"examples  {behaviour['name']}: {behaviour['count']} texts, sha256 {behaviour['sha256'][:12]}")
    if facts := provenance.examples.get("facts"):
        console.say(f"examples  {facts['count']} facts, sha256 {facts['sha256'][:12]}")
    for key, number in provenance.effect.items():
        console.say(f"effect    {key} = {number:,.4g}")
    if not provenance.effect:
        console.say("effect    not measured: it is a sum or scaled; suture eval MODEL --patch PATCH measures it")
    return {"format": "suture.patch/1", "tensors": list(patch.terms), "provenance": vars(provenance)}


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the settings in order, those of a setting as `region.rows`."""
    for key, value in sorted(settings.items()):
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _probe(console: Console, file: Path) -> dict[str, Any]:
    from ..locate.probe import Probe

    probe = Probe.load(file)
    rows = [
        [
            str(layer),
            f"{score.accuracy:.1%}",
            f"{score.auc:.3f}",
            f"{score.apart:.1f}",
            str(score.held_out),
            f"{direction.norm():.3f}",
        ]
        for layer, score, direction in zip(probe.layers, probe.scores, probe.unwanted, strict=True)
    ]
    console.table(
        ["layer", "held out", "AUC", "apart", "n", "norm"], rows, f"probe of {probe.name}, read at {probe.space}"
    )
    return {
        "format": "suture.probe/1",
        "name": probe.name,
        "space": probe.space,
        "scores": [vars(s) for s in probe.scores],
    }


def _direction(console: Console, file: Path) -> dict[str, Any]:
    from ..locate.direction import Direction

    direction = Direction.load(file)
    scores = [f"{s.auc:.3f}" for s in direction.scores] or ["?"] * len(direction.layers)
    rows = [
        [str(layer), auc, f"{vector.norm():.3f}", f"{size:.1f}"]
        for layer, auc, vector, size in zip(
            direction.layers, scores, direction.vectors, direction.sizes.tolist(), strict=True
        )
    ]
    console.table(
        ["block", "AUC", "norm", "mean length"], rows, f"direction of {direction.name}, in the {direction.space}"
    )
    return {
        "format": "suture.direction/1",
        "name": direction.name,
        "space": direction.space,
        "layers": direction.layers,
    }


def _region(console: Console, file: Path) -> dict[str, Any]:
    from ..locate.region import Region

    region = Region.load(file)
    rows = [[str(site), str(len(numbers))] for site, numbers in region.rows.items()]
    console.table(["where", "rows"], rows, f"{region.count} of {region.candidates} rows")
    return {"format": "suture.region/1", "rows": region.count, "candidates": region.candidates, "about": region.about}
