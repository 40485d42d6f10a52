"""Several ways to change one behaviour, side by side: a table, a picture, as JSON and as a page."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..io.files import write_together
from ..measure.budget import Budget
from ..measure.units import FORMS, difference, figure
from ..metrics._score import Score, Unit
from .figures.levels import Dot, levels
from .style import STYLE

WITHIN, OVER = "\u2713 ", "! "  # beside the colour


@dataclass(frozen=True)
class Entry:
    """One level of intervention.

    Attributes:
        name: of the level.
        kind: prompt, activation, weight or retrieval.
        scores: before and after, by measure.
        gain: how far the target moved the way it was meant to.
        cost: worst share of the budget used; 1 is all of it.
        worst: the measure that used it, if any.
    """

    name: str
    kind: str
    scores: Mapping[str, Score]
    gain: float
    cost: float
    worst: str


@dataclass(frozen=True)
class Comparison:
    """What each level did to one behaviour, and to all that was to stay.

    Attributes:
        model: name of the base.
        target: name of the measure that was to move.
        about: what it measures, in words.
        better: which way it was to move.
        entries: the levels, in the order given.
        units: of each measure.
        budget: what they may cost.
    """

    model: str
    target: str
    about: str
    better: str
    entries: Sequence[Entry]
    units: Mapping[str, Unit]
    budget: Budget

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return columns and rows: a measure a row, the base and every level a column."""
        columns = [f"{self.about} ({self.better} is wanted)", "base", *(e.name for e in self.entries)]
        rows = []
        for name, unit in self.units.items():
            first = self.entries[0].scores[name]
            cells = [figure(e.scores[name].after, unit) for e in self.entries]
            rows.append([name, figure(first.before, unit), *cells])
        rows.insert(
            1, ["  moved", "", *(difference(e.scores[self.target], self.units[self.target]) for e in self.entries)]
        )
        rows.append(["level", "", *(e.kind for e in self.entries)])
        rows.append(["worst share of the budget", "", *(_cost(e) for e in self.entries)])
        return columns, rows

    def picture(self) -> str:
        """Return the levels as effect over cost, as SVG."""
        form = FORMS[self.units[self.target]]
        unit = "points" if self.units[self.target] == "share" else form.change_suffix.strip() or "nats"
        dots = [Dot(e.name, e.kind, form.change_scale * e.gain, e.cost) for e in self.entries]
        return levels(dots, name=self.about, unit=unit)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, default=str)

    def to_html(self) -> str:
        """Return a page that needs nothing else."""
        columns, rows = self.table()
        title = f"{html.escape(self.about)} on {html.escape(self.model)}, by level of intervention"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = "".join(self._row(row) for row in rows)
        caption = (
            "Up is further, left is cheaper. Cost is the largest share of the budget that any property to keep used; "
            f"the budget is {100 * self.budget.points:g} points, {100 * self.budget.perplexity:g} % perplexity. "
            "Changes with 95 % intervals from a paired bootstrap over the cases."
        )
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>suture: {title}</title><style>{STYLE}</style><body><h1>{title}</h1>"
            f'<div class="grid"><figure><div class="scroll">{self.picture()}</div>'
            f"<figcaption>{html.escape(caption)}</figcaption></figure></div>"
            f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div></body></html>'
        )

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write comparison.json and comparison.html into a folder; returns their paths."""
        return write_together(Path(folder), "comparison", {"json": self.to_json(), "html": self.to_html()})

    def _row(self, row: Sequence[str]) -> str:
        if row[0] != "worst share of the budget":
            return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
        cells = [f"<td>{html.escape(cell)}</td>" for cell in row[:2]]
        for entry, cell in zip(self.entries, row[2:], strict=True):
            kind, sign = ("good", WITHIN) if entry.cost <= 1 else ("bad", OVER)
            cells.append(f'<td class="{kind}">{sign}{html.escape(cell)}</td>')
        return f"<tr>{''.join(cells)}</tr>"


def _cost(entry: Entry) -> str:
    return f"{100 * entry.cost:.0f} %" + (f" ({entry.worst})" if entry.worst else "")
