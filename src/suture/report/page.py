"""The page of a report: one self-contained file. A section a function; each is empty when the report has nothing for it."""

from __future__ import annotations

import html
import json
from dataclasses import fields
from pathlib import Path

from ..io.files import PAGE, check_folder_for, write_together
from ..measure.panel import tables
from ..measure.report import ROLES, MetricRow, Report, Sample
from ..measure.units import difference, figure, is_known
from .pictures import changes, choice, edits, place
from .style import SIGNS, STYLE
from .words import headline, size_of_change, verdict

SHOWN = 3  # texts of each measure


def save(report: Report, folder: str | Path) -> dict[str, Path]:
    """Write report.json and report.html into a folder; returns their paths.

    Raises:
        UsageError: when nothing can be written there, or files of these names are there that suture did not write.
        ResourceError: when the disk is full or fails.
    """
    return write_together(Path(folder), "report", {"json": report.to_json(), "html": page(report)})


def check_free(folder: Path) -> None:
    """Raise UsageError when no report can be written into a folder; asked before what takes minutes."""
    names = json.dumps({field.name: None for field in fields(Report)})
    check_folder_for(folder, "report", {"json": names, "html": PAGE})


def page(report: Report) -> str:
    """Return the whole page."""
    title = f"{html.escape(report.method)} on {html.escape(report.model)}"
    sections = (_head, changes, _tables, _judges, edits, choice, place, _texts, _settings, _commands)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>suture: {title}</title><style>{STYLE}</style>"
        f"<body><h1>{title}</h1>{''.join(section(report) for section in sections)}</body></html>"
    )


def _head(report: Report) -> str:
    sentences = "".join(
        f'<li class="{s.verdict}"><b>{SIGNS[s.verdict]}{s.about}</b><span>{html.escape(s.words)}</span></li>'
        for s in headline(report)
    )
    near = report.extra.get("neighbours")
    beside = f" Neighbouring facts: {html.escape(near)}." if near else ""
    return (
        f'<p class="mute">{size_of_change(report.effect)} '
        f"Intervals are 95 %, from a paired bootstrap over the cases; n is their number.{beside}</p>"
        + "".join(f'<p class="mute">{html.escape(line)}</p>' for line in report.extra.get("unused", []))  # see `unread`
        + (f'<ul class="headline">{sentences}</ul>' if sentences else "")
    )


def _tables(report: Report) -> str:
    parts = []
    for role, title in ROLES.items():
        lines = report.of_role(role)
        if lines:
            parts.append(f"<h3>{title}</h3>{_table(lines)}")
    return f"<h2>In numbers</h2>{''.join(parts)}" if parts else ""


def _table(lines: list[MetricRow]) -> str:
    rows = []
    for line in lines:
        control = difference(line.random, line.unit) if line.random else "-"
        kind = verdict(line)
        rows.append(
            f"<tr><td>{html.escape(line.about)}<small>{html.escape(line.name)}, n = {line.score.cases}</small></td>"
            f"<td>{figure(line.score.before, line.unit)}</td><td>{figure(line.score.after, line.unit)}</td>"
            f'<td class="{kind}">{SIGNS[kind]}{difference(line.score, line.unit)}</td><td class="mute">{control}</td>'
            f"<td>{_bars(line) if line.unit == 'share' and is_known(line.score) else ''}</td></tr>"
        )
    head = "<tr><th>Property</th><th>Base</th><th>Edited</th><th>Change</th><th>Random patch</th><th></th></tr>"
    return f'<div class="scroll"><table>{head}{"".join(rows)}</table></div>'


def _bars(line: MetricRow) -> str:
    before, after = (max(0.0, min(1.0, v)) * 118 for v in (line.score.before, line.score.after))
    words = f"{figure(line.score.before)} before, {figure(line.score.after)} after"
    return (
        f'<svg class="bars" width="120" height="22" role="img" aria-label="{words}"><title>{words}</title>'
        f'<rect x="1" y="2" width="{max(before, 1):.1f}" height="8" rx="2" fill="var(--base)"/>'
        f'<rect x="1" y="12" width="{max(after, 1):.1f}" height="8" rx="2" fill="var(--edit)"/></svg>'
    )


def _judges(report: Report) -> str:
    parts = []
    for when, panel in report.extra.get("judges", {}).items():
        judge_tables = tables(panel)
        parts += [f"<h2>Judges side by side: {html.escape(when)}</h2>"] if judge_tables else []
        for columns, rows in judge_tables:
            head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
            body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
            parts.append(f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>')
    return "".join(parts)


def _texts(report: Report) -> str:
    parts = []
    for line in [*report.of_role("target"), *report.of_role("keep")]:
        if line.samples:
            parts.append(f'<p class="tag">{html.escape(line.about)}</p>')
            parts += [_pair(sample) for sample in line.samples[:SHOWN]]
    return f"<h2>Before and after</h2>{''.join(parts)}" if parts else ""


def _pair(sample: Sample) -> str:
    def side(title: str, text: str, label: str) -> str:
        return f'<div><span class="tag">{title} &middot; {html.escape(label)}</span><br>{html.escape(text)}</div>'

    return (
        f'<p class="prompt">{html.escape(sample.prompt)}</p><div class="pair">'
        f"{side('base', sample.before, sample.before_label)}{side('edited', sample.after, sample.after_label)}</div>"
    )


def _settings(report: Report) -> str:
    return f"<h2>Settings</h2><pre>{html.escape(json.dumps(report.settings, indent=1, sort_keys=True))}</pre>"


def _commands(report: Report) -> str:
    if not report.commands:
        return ""
    return f"<h2>To get this again</h2><pre>{html.escape(chr(10).join(report.commands))}</pre>"
