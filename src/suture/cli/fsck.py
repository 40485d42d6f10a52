"""suture fsck: repair what interrupted runs left of a checkpoint, then check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json


def fsck(
    checkpoint: Annotated[
        Path,
        typer.Argument(help='The folder, or "patient"; it may be absent when only FOLDER.partial was left.'),
    ],
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back, instead of finishing what was begun.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be repaired, and check; change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Finish or roll back interrupted work, sweep leftovers, check every SHA-256."""
    from ..checkpoint import fsck as library
    from ._console import Console
    from ._findings import judge
    from ._stacks import folder

    console = Console(json)
    with console.progress("fsck") as step:
        repaired, findings = library.fsck(folder(checkpoint), rollback=rollback, dry_run=dry_run, progress=step)
    judge(console, checkpoint, findings, repaired, dry_run=dry_run)
