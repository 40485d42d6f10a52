"""Options that several verbs share."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help='A folder, a Hub name, or "patient" (the bundled model).')]
Data = Annotated[
    list[str],
    typer.Option(
        "--data", help="Labelled texts: .jsonl .csv .tsv, wanted.txt,unwanted.txt, hub:ID, bundled:NAME, patient:NAME."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON to standard output.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Where to write; a new folder below runs/ by default.")]
TextColumn = Annotated[str | None, typer.Option(help="Column of the text.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the label.")]
Unwanted = Annotated[str | None, typer.Option(help="Value of the label that means unwanted.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
Dtype = Annotated[str, typer.Option(help="auto (as stored; small models in float32 on a CPU) or a torch dtype.")]


def run_folder(name: str) -> Path:
    """Return a new folder name for the results of a run: runs/<utc>-<name>."""
    return Path("runs") / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{name}"
