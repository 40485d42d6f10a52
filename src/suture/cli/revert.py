"""suture revert: take patches off a checkpoint again, bit for bit."""

from __future__ import annotations

from typing import Annotated

import typer

from ._options import Json
from ._stacks import Checkpoint, DryRun, InPlace, Link, OutFolder, Quick


def revert(
    checkpoint: Checkpoint,
    patches: Annotated[
        list[str] | None, typer.Argument(help="Which: number, SHA-256, name or file (default: all).")
    ] = None,
    out: OutFolder = None,
    in_place: InPlace = False,
    link: Link = False,
    quick: Quick = False,
    force: Annotated[bool, typer.Option("--force", help="Keep patches that were made on one that goes.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take patches off a checkpoint, wherever they lie in its stack; with all off, it is the base to the last bit."""
    from ..checkpoint import verbs
    from ._console import Console
    from ._stacks import folder, tell

    console = Console(json)
    with console.progress("revert") as step:
        outcome = verbs.revert(
            folder(checkpoint, in_place=in_place), patches or (), out, in_place=in_place, link=link, quick=quick, force=force,
            dry_run=dry_run, progress=step,
        )  # fmt: skip
    tell(console, outcome, "reverted", dry_run=dry_run)
