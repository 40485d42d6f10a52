"""suture verify: check a checkpoint and the patches on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json
from ._stacks import Checkpoint


def verify(
    checkpoint: Checkpoint,
    patches: Annotated[list[Path] | None, typer.Argument(help="Patch files: would they fit?")] = None,
    base: Annotated[
        Path | None, typer.Option(help="Compare with this checkpoint: all that no patch touched must be its.")
    ] = None,
    json: Json = False,
) -> None:
    """Check headers, patches, base bits and every touched tensor. Exit code 4 when something does not hold."""
    from ..checkpoint import verify as library
    from ._adapters import patch_files
    from ._console import Console
    from ._findings import judge
    from ._stacks import folder

    console = Console(json)
    path = folder(checkpoint)
    with patch_files(patches or (), path) as files, console.progress("verify") as step:
        other = None if base is None else folder(base)
        findings = library.verify(path, files, base=other, progress=step)
    judge(console, checkpoint, findings, [])
