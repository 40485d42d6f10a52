"""suture runs, suture resume: what was run, how it ended, and going on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json

SHOWN = 20


def runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs are.")] = Path("runs"),
    last: Annotated[int, typer.Option(min=1, help="How many to show.")] = SHOWN,
    json: Json = False,
) -> None:
    """List recent runs: finished, failed, interrupted or still running."""
    from ..errors import UsageError
    from ..runs.run import listed
    from ._console import Console

    console = Console(json)
    if not folder.is_dir() and folder != Path("runs"):
        raise UsageError(f"no folder {folder}", fix="Give the folder that holds the runs, or go where it is.")
    summaries = listed(folder)[:last]
    if summaries:
        console.table(["run", "state", "result"], [[str(s.folder), s.state, s.result] for s in summaries])
    else:
        console.say(f"no runs in {folder}; probe, edit and the like write there unless told --out")
    console.result({"runs": [vars(summary) for summary in summaries]})


def resume(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder of an interrupted run.")],
    trust: Annotated[
        bool, typer.Option("--trust", help="Also a run that you did not record, or whose method file has changed.")
    ] = False,
) -> None:
    """Continue a run: its command is executed again, and what it had finished is loaded."""
    import os
    import sys

    from ..io.system import reported
    from ..runs.resuming import resumable
    from ..runs.run import without_out

    run = resumable(folder, trusted=trust)
    words = [*without_out(run["command"]), "--out", str(folder.resolve())]
    with reported(f"can not go to {run['folder']}", fix="Put the folder back, or start the command again elsewhere."):
        os.chdir(run["folder"])  # paths in the command are relative to where it was given
    sys.argv = [sys.argv[0], *words]
    context.find_root().command.main(words, prog_name="suture", standalone_mode=False)
