"""Going on with a run: only with what this user recorded, as a recipe is a command that is executed again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text.redact import HIDDEN
from .authorship import method_files, signed
from .run import recipe


def resumable(folder: Path, *, trusted: bool = False) -> dict[str, Any]:
    """Return what a run was asked, if it can be asked again.

    Args:
        folder: of the run.
        trusted: the user has read the recipe: it may be another's, and its method files may have changed.

    Raises:
        UsageError: also when a secret was part of the command, which was not recorded; when this user did not record the run,
            or a method file that it names is not the one that ran.
        DataError: as `recipe`.
    """
    record = recipe(folder)
    if any(HIDDEN in word for word in record["command"]):
        raise UsageError(
            f"{folder} can not be resumed as it is",
            why="Its command held a secret, which was not recorded.",
            fix=f"Give the same command again, with `out={folder}`",
        )
    if trusted:
        return record
    line = f"cd {shlex.quote(record['folder'])} && {shlex.join(['suture', *record['command']])}"
    if not signed(folder / "recipe.yaml"):
        raise UsageError(
            f"{folder} was not recorded by you, here",
            why=f"It would run: {line}",
            fix=f"If you want just that: suture resume {shlex.quote(str(folder))} --trust",
        )
    now = method_files(record["command"], Path(record["folder"]))
    if other := sorted(name for name in now if now[name] != record["files"].get(name)):
        raise UsageError(
            f"{other[0]} is not the file that ran",
            why=f"It has changed since. It would run: {line}",
            fix=f"If the new one is meant: suture resume {shlex.quote(str(folder))} --trust; or start again elsewhere.",
        )
    return record
