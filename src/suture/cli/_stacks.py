"""What apply and revert share: where to write, and how what was done is shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..checkpoint.verbs import Outcome
    from ._console import Console

Checkpoint = Annotated[
    Path,
    typer.Argument(help='A folder with safetensors, or "patient" (the bundled model), or a fetched one by its name.'),
]
OutFolder = Annotated[Path | None, typer.Option("--out", "-o", help="The new folder.")]
InPlace = Annotated[
    bool, typer.Option("--in-place", help="Change the checkpoint itself; only touched rows are written.")
]
Link = Annotated[bool, typer.Option("--link", help="Unchanged files of a new folder are hard links.")]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="In place: read and check the touched rows alone, not the rest of their tensors."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and compute everything, write nothing.")]


def folder(path: Path, *, in_place: bool = False) -> Path:
    """Return the folder that is meant; bundled and fetched models by their names, unless there is a folder of that name.

    Args:
        path: as it was given.
        in_place: it is to be changed where it lies.

    Raises:
        UsageError: when that is a bundled or fetched model: all that names it later would get the changed one.
    """
    from ..model.load.named import kept_folder
    from ..registry import models

    kept = None if path.exists() else kept_folder(path)
    if kept is None:
        return path
    if in_place:
        from ..checkpoint.format.folder import LEDGER
        from ..errors import UsageError

        fix = f"Write a new folder: -o FOLDER    or copy it first, and change the copy: cp -r {kept} COPY"
        if (kept / LEDGER).exists():  # version 0.1.0 let it be changed
            fix = f"Patches are on it already. Take them off by its folder: suture revert {kept} --in-place"
        kind = "the bundled model, a part of the installation" if str(path) in models() else "what that name means"
        raise UsageError(
            f"{path} is not changed in place",
            why=f"It is {kind}: whatever names it later would get the changed one.",
            fix=fix,
        )
    return kept


def tell(console: Console, outcome: Outcome, verb: str, *, dry_run: bool) -> None:
    """Show an outcome."""
    rows = [[name, shard, f"{count:,}", f"{entries:,}"] for name, shard, count, entries in outcome.tensors]
    if rows:
        console.table(["tensor", "file", "rows", "entries changed"], rows)
    for note in outcome.notes:
        console.say(f"note: {note}")
    status = f"{verb} already" if outcome.repeated else f"would be {verb}" if dry_run else verb
    size = "" if outcome.repeated else f", {outcome.entries:,} entries, {outcome.bytes:,} bytes of the weights"
    console.say(f"{status}: {outcome.path}{size}")
    if not outcome.repeated:
        console.say(f"checked before: {outcome.checked}")
    for number, (name, digest, scale, floor) in enumerate(outcome.patches, 1):
        console.say(f"  on it {number}: {name} ({digest}) x {scale:g}" + (f", floor {floor}" if floor else ""))
    if dry_run:
        console.say(f"needs {outcome.room:,} bytes of disk; nothing was written")
    console.result({**asdict(outcome), "entries": outcome.entries, "dry_run": dry_run})
