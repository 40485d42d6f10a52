"""suture fsck: repair what interrupted runs left of a checkpoint, then check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json


def fsck(
    checkpoint: Annotated[Path, typer.Argument(help="The folder; it may be absent when only FOLDER.partial was left.")],
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back, instead of finishing what was begun.")] = False,
    json: Json = False,
) -> None:
    """Finish or roll back interrupted work, sweep leftovers, check every SHA-256."""
    from ..checkpoint import fsck as library
    from ._console import Console
    from ._findings import judge

    console = Console(json)
    with console.progress("fsck") as step:
        repaired, findings = library.fsck(checkpoint, rollback=rollback, progress=step)
    judge(console, checkpoint, findings, repaired)
