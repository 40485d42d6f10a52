"""Options that several verbs share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Argument(
        help='A folder, a Hub name, or "patient" or "patient-moe" (the bundled models, dense and of experts).'
    ),
]
Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="Labelled texts or pairs of answers: a file, wanted.txt,unwanted.txt, hub:ID, bundled: or patient:NAME.",
    ),
]
Facts = Annotated[
    Path,
    typer.Option(
        "--facts",
        help='Facts: {"prompt", "subject", "target", "was", "paraphrases", "neighbours"}, or as CounterFact, ROME, EasyEdit, '
        "KnowEdit, zsRE, MQuAKE, RippleEdits, QAEdit, LocFT or relations write them.",
    ),
]
Instances = Annotated[
    Path,
    typer.Option(
        "--instances",
        help='{"prompt", "safe", "unsafe", "keep"}, SafeEdit, chosen and rejected, or "patient" for the bundled model\'s.',
    ),
]
Take = Annotated[int | None, typer.Option(help="Only the first so many of the file.", min=1)]
Method = Annotated[str, typer.Option(help="A method for facts; see: suture methods.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the method, NAME=VALUE; may be given several times.")
]
Tune = Annotated[
    Path,
    typer.Option("--tune", help='Requests and answers to learn: {"prompt", "answer"}, messages, ShareGPT, Alpaca ...'),
]
Prompts = Annotated[Path, typer.Option(help="Prompts to be continued: a text a line, .jsonl, .json or .csv.")]
Prompt = Annotated[list[str] | None, typer.Option(help="Show these continued before and after.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON to standard output.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Where to write: a folder (default: a new one below runs/), or a file."),
]
TextColumn = Annotated[str | None, typer.Option(help="Column of the text.")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the label.")]
Unwanted = Annotated[str | None, typer.Option(help="Value of the label that means unwanted.")]
Threshold = Annotated[float | None, typer.Option(help="Labels are scores: from this one on a text is unwanted.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 ...")]
Dtype = Annotated[str, typer.Option(help="auto (as stored; small models in float32 on a CPU) or a torch dtype.")]


def typed() -> str:
    """Return the command line as it was typed, to be typed again."""
    return shlex.join(["suture", *sys.argv[1:]])
