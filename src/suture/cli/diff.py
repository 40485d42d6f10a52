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
    json: Json = False,
) -> None:
    """Make a patch of the difference between two checkpoints, and say whether it gives B bit for bit."""
    from dataclasses import asdict

    from ..checkpoint import difference
    from ..errors import VerificationFailed
    from ._console import Console
    from ._stacks import folder

    console = Console(json)
    with console.progress("diff") as step:
        patch, parts = difference.diff(folder(a), folder(b), rank=rank, progress=step)
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
        console.say(f"{wrong:,} of {changed:,} changed entries are not B's to the bit; at most {worst:.3g} off")
    else:
        console.say(f"A with this patch is B, bit for bit ({changed:,} entries)")
    console.result(
        {"patch": out, "exact": not wrong, "wrong": wrong, "worst": worst, "parts": [asdict(part) for part in parts]}
    )
    if wrong and rank is None:
        raise VerificationFailed(
            "the patch does not give B to the bit",
            why="Signs of zero, NaN and infinities can not be written as a change.",
            fix=f"{out} was written all the same; keep B if these entries matter.",
        )
