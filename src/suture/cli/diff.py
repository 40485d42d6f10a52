"""suture diff: the patch that turns one checkpoint into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Json
from ._stacks import Checkpoint


def diff(
    a: Checkpoint,
    b: Annotated[Path, typer.Argument(help="The changed checkpoint.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The patch file.")],
    rank: Annotated[
        int | None, typer.Option(min=1, help="Keep only this many ranks of each matrix: small, and not exact.")
    ] = None,
    inexact: Annotated[
        bool, typer.Option("--inexact", help="Leave out what no change gives (NaN, infinities, some signs of zero).")
    ] = False,
    cast: Annotated[
        bool, typer.Option("--cast", help="Round B to the types of A first: of a merge saved as float32, say.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the patch that turns A into B bit for bit; exit code 4, and no patch, where none does (5: unlike tensors)."""
    from dataclasses import asdict

    from ..checkpoint import difference
    from ._console import Console
    from ._stacks import folder

    console = Console(json)
    with console.progress("diff") as step:
        patch, parts = difference.diff(folder(a), folder(b), rank=rank, inexact=inexact, cast=cast, progress=step)
    patch.save(out)
    rows = [
        [p.name, p.kind, str(p.rank or "-"), f"{p.energy:.2%}", str(p.rows), f"{p.changed:,}", f"{p.wrong:,}"]
        for p in parts
    ]
    console.table(["tensor", "kind", "rank", "energy", "rows", "entries", "wrong"], rows)
    wrong, worst = sum(p.wrong for p in parts), max(p.worst for p in parts)
    changed = sum(p.changed for p in parts)
    console.say(f"wrote {out} ({out.stat().st_size / 1000:,.1f} kB)")
    if wrong:
        console.say(
            f"{wrong:,} of {changed:,} changed entries are not B's to the bit; finite ones at most {worst:.3g} off"
        )
        for part in parts:
            if part.unsaid.rows:
                console.say(f"no change gives {part.name}: {part.unsaid}")
    else:
        made = "B rounded to the types of A" if cast else "B"
        console.say(f"A with this patch is {made}, bit for bit ({changed:,} entries)")
    console.result(
        {"patch": out, "exact": not wrong, "wrong": wrong, "worst": worst, "parts": [asdict(part) for part in parts]}
    )
