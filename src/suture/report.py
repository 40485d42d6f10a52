"""The report of an edit: every property before and after, with intervals, denominators and controls; texts side by side."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import tensorfile
from .metrics._score import Score
from .panel import tables

STYLE = """
:root{color-scheme:light dark;--fg:#1c2430;--bg:#fff;--mute:#667085;--line:#dfe3ea;--soft:#f5f7fa;--good:#0a7d4b;
--bad:#b42318;--base:#98a2b3;--edit:#2563eb}
@media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--bg:#12161d;--mute:#98a2b3;--line:#2b3340;--soft:#1a202a;
--good:#4ade80;--bad:#f97066;--base:#667085;--edit:#60a5fa}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);margin:0 auto;
max-width:1080px;padding:24px 16px 64px}h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.1rem;margin:36px 0 8px}
.mute{color:var(--mute)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}td,th{padding:7px 10px;
border-bottom:1px solid var(--line);text-align:right;white-space:nowrap;vertical-align:top}th{font-weight:600;
color:var(--mute);font-size:.85rem}td:first-child,th:first-child{text-align:left;white-space:normal;min-width:190px}
small{color:var(--mute);display:block}.good{color:var(--good)}.bad{color:var(--bad)}svg{display:block;margin-left:auto}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:10px;margin:6px 0 18px}.pair>div{background:var(--soft);
border-radius:8px;padding:10px 12px}.prompt{margin:14px 0 0;font-weight:600}.tag{font-size:.75rem;color:var(--mute);
text-transform:uppercase;letter-spacing:.04em}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);
padding:12px;border-radius:8px}@media(max-width:640px){.pair{grid-template-columns:1fr}}
"""
ROLES = {
    "target": "What the edit is for",
    "floor": "How low it could go",
    "keep": "What it must not harm",
    "note": "Also",
}


@dataclass(frozen=True)
class Sample:
    """One prompt with a text from before and after, and what the judge called them."""

    prompt: str
    before: str
    after: str
    before_label: str
    after_label: str


@dataclass(frozen=True)
class Line:
    """One property: its score and its controls (the base against itself; a random patch of the same size)."""

    name: str
    role: str
    better: str
    about: str
    score: Score
    itself: Score | None = None
    random: Score | None = None
    samples: Sequence[Sample] = ()


@dataclass(frozen=True)
class Report:
    """What a patch did to a model.

    Attributes:
        model: name of the base.
        method: that made the patch.
        settings: of the method.
        effect: norms and number of changed entries.
        lines: one a property.
        doses: figures at several strengths, if measured: strength -> name -> value.
        extra: anything a command adds (paths, times).
    """

    model: str
    method: str
    settings: dict[str, Any]
    effect: dict[str, float]
    lines: list[Line]
    doses: dict[float, dict[str, float]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def values(self, when: str = "after") -> dict[str, float]:
        """Return the figures by name, "before" or "after"."""
        return {line.name: float(getattr(line.score, when)) for line in self.lines}

    def line(self, name: str) -> Line:
        """Return a line by its name; KeyError if there is none."""
        found = {line.name: line for line in self.lines}
        return found[name]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, default=str)

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write report.json and report.html into a folder; returns their paths."""
        folder = Path(folder)
        paths = {"json": folder / "report.json", "html": folder / "report.html"}
        tensorfile.write_bytes(paths["json"], self.to_json().encode())
        tensorfile.write_bytes(paths["html"], self.to_html().encode())
        return paths

    def to_html(self) -> str:
        """Return a page that needs nothing else: tables, bars, and texts before and after."""
        parts = [
            f"<h1>{html.escape(self.method)} on {html.escape(self.model)}</h1>",
            f'<p class="mute">{self.effect.get("entries", 0):,.0f} weights changed, norm {self.effect.get("effective", 0):.3g}. '
            "Intervals are 95 %, from a paired bootstrap over the cases; n is their number.</p>",
        ]
        for role, title in ROLES.items():
            lines = [line for line in self.lines if line.role == role]
            if lines:
                parts += [f"<h2>{title}</h2>", _table(lines)]
        if self.doses:
            parts += ["<h2>Dose and response</h2>", _doses(self.doses)]
        for when, found in self.extra.get("judges", {}).items():
            parts.append(f"<h2>Judges side by side: {html.escape(when)}</h2>")
            parts += [_cells(columns, rows) for columns, rows in tables(found)]
        shown = [line for line in self.lines if line.samples and line.role in ("target", "keep")]
        if shown:
            parts.append("<h2>Before and after</h2>")
        for line in shown:
            parts.append(f'<p class="tag">{html.escape(line.about)}</p>')
            parts += [_pair(sample) for sample in line.samples[:3]]
        settings = json.dumps(self.settings, indent=1, sort_keys=True)
        parts += ["<h2>Settings</h2>", f"<pre>{html.escape(settings)}</pre>"]
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>suture: {html.escape(self.method)} on {html.escape(self.model)}</title><style>{STYLE}</style>"
            f"<body>{''.join(parts)}</body></html>"
        )


def is_share(name: str) -> bool:
    """Return whether a figure is a share (shown in percent) and not a perplexity or a divergence."""
    return name not in ("perplexity", "drift")


def figure(name: str, value: float) -> str:
    """Return a figure as people read it."""
    return f"{100 * value:.1f} %" if is_share(name) else f"{value:.3f}"


def difference(line: Line, score: Score | None = None) -> str:
    """Return the change of a line with its interval: points for shares, per cent for perplexity."""
    score = score or line.score
    unit = "" if line.name == "drift" else " %" if line.name == "perplexity" else " pt"
    scale = 1 if line.name == "drift" else 100
    digits = 3 if line.name == "drift" else 1
    low, high = (f"{scale * v:+.{digits}f}" for v in (score.low, score.high))
    return f"{scale * score.change:+.{digits}f}{unit} [{low}, {high}]"


def verdict(line: Line) -> str:
    """Return "good" or "bad" when the whole interval lies on one side of zero, else an empty string."""
    if line.better == "none" or (line.score.low <= 0 <= line.score.high):
        return ""
    return "good" if (line.score.change > 0) == (line.better == "higher") else "bad"


def _table(lines: list[Line]) -> str:
    rows = []
    for line in lines:
        control = difference(line, line.random) if line.random else "-"
        rows.append(
            f"<tr><td>{html.escape(line.about)}<small>{line.name}, n = {line.score.cases}</small></td>"
            f"<td>{figure(line.name, line.score.before)}</td><td>{figure(line.name, line.score.after)}</td>"
            f'<td class="{verdict(line)}">{difference(line)}</td><td class="mute">{control}</td>'
            f"<td>{_bars(line) if is_share(line.name) else ''}</td></tr>"
        )
    head = "<tr><th>Property</th><th>Base</th><th>Edited</th><th>Change</th><th>Random patch</th><th></th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _bars(line: Line) -> str:
    before, after = (max(0.0, min(1.0, v)) * 118 for v in (line.score.before, line.score.after))
    return (
        '<svg width="120" height="22" role="img" aria-label="bars">'
        f'<rect x="1" y="2" width="{max(before, 1):.1f}" height="8" rx="2" fill="var(--base)"/>'
        f'<rect x="1" y="12" width="{max(after, 1):.1f}" height="8" rx="2" fill="var(--edit)"/></svg>'
    )


def _doses(doses: dict[float, dict[str, float]]) -> str:
    names = list(next(iter(doses.values())))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{strength:g}</td>{''.join(f'<td>{figure(n, found[n])}</td>' for n in names)}</tr>"
        for strength, found in sorted(doses.items())
    )
    return f'<div class="scroll"><table><tr><th>Strength</th>{head}</tr>{rows}</table></div>'


def _cells(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _pair(sample: Sample) -> str:
    def side(title: str, text: str, label: str) -> str:
        return f'<div><span class="tag">{title} &middot; {html.escape(label)}</span><br>{html.escape(text)}</div>'

    return (
        f'<p class="prompt">{html.escape(sample.prompt)}</p><div class="pair">'
        f"{side('base', sample.before, sample.before_label)}{side('edited', sample.after, sample.after_label)}</div>"
    )
