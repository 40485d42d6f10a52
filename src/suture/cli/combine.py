"""suture combine: two patches or more as one, with a report of where they meet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import Json

if TYPE_CHECKING:
    from ..patch.patch import Patch
    from ._console import Console


def combine(
    patches: Annotated[list[Path], typer.Argument(help="Patch files made for the same base.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The patch file.")],
    scale: Annotated[list[float] | None, typer.Option(help="Strength of each patch, in their order.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also if they fight, or name different models.")] = False,
    json: Json = False,
) -> None:
    """Add patches up to one: summed before the one rounding, so that the order does not matter."""
    from ..errors import NoEffect, UsageError
    from ..patch.overlap import cancels
    from ..patch.patch import Patch
    from ._console import Console

    console = Console(json)
    if out.resolve() in [path.resolve() for path in patches]:
        raise UsageError(f"{out} is one of the patches", why="It would be replaced by the sum.", fix="Give another -o.")
    if len(patches) < 2:
        raise UsageError("nothing to combine", fix="Give two patches or more.")
    scales = scale or [1.0] * len(patches)
    if len(scales) != len(patches):
        raise UsageError(f"{len(scales)} scales for {len(patches)} patches", fix="Give one --scale for each patch.")
    loaded = [strength * Patch.load(path) for path, strength in zip(patches, scales, strict=True)]
    meetings = _meetings(console, patches, loaded, force)
    combined = loaded[0]
    for patch in loaded[1:]:
        combined = combined + patch
    if cancels(combined):
        raise NoEffect("the combined patch changes nothing", why="What they do adds up to 0.", fix="Give other scales.")
    combined.save(out)
    console.say(f"wrote {out} ({out.stat().st_size / 1000:,.1f} kB): {len(combined.terms)} tensors")
    console.result({"patch": out, "tensors": sorted(combined.terms), "overlap": meetings})


def _meetings(console: Console, names: list[Path], loaded: list[Patch], force: bool) -> list[dict[str, Any]]:
    """Show where each pair meets; refuse pairs that fight."""
    from itertools import combinations

    from ..errors import UsageError
    from ..patch.overlap import overlap

    overlaps = []
    for one, other in combinations(range(len(loaded)), 2):
        met = overlap(loaded[one], loaded[other])
        pair = f"{names[one].name} and {names[other].name}"
        bases = [loaded[number].provenance.base.get("name", "?") for number in (one, other)]
        if not met.meetings and bases[0] != bases[1] and not force:  # shared tensors were compared by their SHA-256
            raise UsageError(
                f"{pair} were made for different models",
                why=f"{bases[0]} and {bases[1]}; no tensor that both touch says otherwise.",
                fix="Combine patches of one model; or, if it has two names, mean it: --force",
            )
        rows = [[m.tensor, *map(str, m.rows), f"{m.cosine:+.3f}"] for m in met.meetings]
        if rows:
            console.table(["tensor", "rows of 1st", "rows of 2nd", "shared", "cosine"], rows, pair)
        share = f"{met.shares[0]:.1%} and {met.shares[1]:.1%} of their squared norms lie in shared rows"
        console.say(f"{pair}: {len(rows)} shared tensors, cosine {met.cosine:+.3f}; {share}")
        overlaps.append(
            {"pair": [names[one], names[other]], "cosine": met.cosine, "shares": met.shares, "tensors": len(rows)}
        )
        if met.fights and not force:
            raise UsageError(
                f"{pair} work against each other",
                why=f"The cosine between their changes is {met.cosine:+.3f}.",
                fix="Leave one out, give it a smaller --scale, or mean it: --force",
            )
        if met.cosine < 0:
            console.say("warning: they partly undo each other; measure the result with suture eval")
    return overlaps
