"""suture apply: put patches on a checkpoint, as a new folder or in place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..text.printable import command_line
from ._options import Json
from ._stacks import Checkpoint, DryRun, InPlace, Link, OutFolder, Quick


def apply(
    checkpoint: Checkpoint,
    patches: Annotated[list[Path], typer.Argument(help="Patch files, or folders of LoRA adapters.")],
    out: OutFolder = None,
    scale: Annotated[float, typer.Option(help="Strength: 1 is the patch as made.")] = 1.0,
    in_place: InPlace = False,
    link: Link = False,
    quick: Quick = False,
    force: Annotated[bool, typer.Option("--force", help="Apply although something differs; it is recorded.")] = False,
    allow_large: Annotated[
        bool, typer.Option("--allow-large", help="Apply although the change is many times as large as the weights.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Put patches on a checkpoint, bit for bit what they do in memory. No model is loaded."""
    from ..checkpoint import verbs
    from ._adapters import patch_files
    from ._console import Console
    from ._stacks import folder, tell

    console = Console(json)
    base = folder(checkpoint, in_place=in_place)
    with patch_files(patches, base) as files, console.progress("apply") as step:
        outcome = verbs.apply(
            base, files, out, scale=scale, in_place=in_place, link=link, quick=quick,
            force=force, allow_large=allow_large, dry_run=dry_run, progress=step,
        )  # fmt: skip
    tell(console, outcome, "patched", dry_run=dry_run)
    if not dry_run:
        below = len(outcome.patches) - len(patches)
        where = ("--in-place", "--quick" if quick else "") if in_place else ("-o", "BASE")
        which = range(below + 1, len(outcome.patches) + 1) if below else ()
        console.say(f"take it off again: {command_line('revert', outcome.path, *which, *where)}")
