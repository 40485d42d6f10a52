"""A map of where safety sits: impact and chosen weights by block, part and expert, as a page to look at."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io.files import write_together
from ..locate.mask import Mask
from .figures.heat_map import Place, heat_map
from .style import STYLE

SHOWN = 12  # places in the table


def save_map(mask: Mask, folder: Path, *, commands: Sequence[str] = ()) -> Path:
    """Write map.html into a folder; returns its path.

    Args:
        mask: as `safety_impact` made it.
        folder: where.
        commands: how to get it again.
    """
    return write_together(folder, "map", {"html": page(mask, commands)})["html"]


def page(mask: Mask, commands: Sequence[str] = ()) -> str:
    """Return the whole page, self-contained."""
    about, cells = mask.about, mask.about["cells"]
    title = f"Where safety sits in {html.escape(str(about['base']))}"
    chosen: dict[Place, float] = {_place(cell): 100 * cell["chosen"] / cell["size"] for cell in cells}
    means: dict[Place, float] = {_place(cell): cell["mean"] for cell in cells}
    pictures = (
        _figure("Share of each matrix that is critical", heat_map(chosen, name="chosen", unit=" %", caption="chosen"),
                "Of a matrix's weights, those among the chosen. Point at a cell for its number."),
        _figure("Mean impact of a weight", heat_map(means, name="impact", caption="mean impact"),
                "|sigma dS/dw|, averaged over each matrix; an expert that was never asked has none."),
    )  # fmt: skip
    listing = "".join(f"<pre>{html.escape(line)}</pre>" for line in commands)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>suture: {title}</title><style>{STYLE}</style><body><h1>{title}</h1>{_head(mask)}"
        f'<div class="grid">{"".join(pictures)}</div>{_table(cells)}{listing}</body></html>'
    )


def _head(mask: Mask) -> str:
    about = mask.about
    kinds = {
        "pairs": "log-odds of safe against unsafe answers",
        "probe": "the logit of a probe",
        "judge": "what a judge model says",
    }
    return (
        f'<p class="mute">{mask.count:,} of {mask.candidates:,} weights chosen: {100 * about["share"]:g} % of all '
        f"{about['parameters']:,} parameters, those whose small change moves safety most. Safety is "
        f"{kinds.get(about['score'], about['score'])}, on {html.escape(str(about['examples']['name']))} "
        f"({about['examples']['count']} texts).</p>"
    )


def _table(cells: Sequence[dict[str, Any]]) -> str:
    """Return the places with most chosen weights."""
    total = sum(cell["chosen"] for cell in cells) or 1
    rows = "".join(
        f"<tr><td>{html.escape(_name(cell))}</td><td>{cell['chosen']:,}</td><td>{cell['chosen'] / total:.1%}</td>"
        f"<td>{cell['chosen'] / cell['size']:.1%}</td></tr>"
        for cell in sorted(cells, key=lambda cell: -cell["chosen"])[:SHOWN]
    )
    head = "<tr><th>Matrix</th><th>Chosen</th><th>Of all chosen</th><th>Of the matrix</th></tr>"
    return f'<h2>Where most of them are</h2><div class="scroll"><table>{head}{rows}</table></div>'


def _place(cell: dict[str, Any]) -> Place:
    return cell["layer"], cell["part"], cell["expert"]


def _name(cell: dict[str, Any]) -> str:
    if cell["layer"] < 0:
        return str(cell["part"])
    return f"block {cell['layer']}, {cell['part']}" + ("" if cell["expert"] is None else f", expert {cell['expert']}")


def _figure(title: str, picture: str, words: str) -> str:
    return f'<figure><h3>{title}</h3><div class="scroll">{picture}</div><figcaption>{html.escape(words)}</figcaption></figure>'
