"""The page of a report: one self-contained file. A section a function; each is empty when the report has nothing for it."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from ..io.files import PAGE, check_folder_for, write_together
from ..measure.budget import Budget
from ..measure.panel import tables
from ..measure.report import ROLES, MetricRow, Report, Sample
from ..measure.units import FORMS, difference, figure, is_known
from ..metrics._score import Score
from .figures.activation_change import activation_change
from .figures.change_bars import Bar, change_bars
from .figures.cosine_matrix import cosine_matrix
from .figures.dose_response import dose_response
from .figures.frontier import frontier
from .figures.over_edits import over_edits
from .figures.rows_per_layer import rows_per_layer
from .figures.score_histogram import score_histogram
from .style import STYLE
from .words import headline, size_of_change, verdict

SHOWN = 3  # texts of each measure
SCORES = {"cosine": "cosine with the probe", "effect": "gain over damage", "random": "cosine with the probe"}
SIGNS = {"good": "\u2713 ", "bad": "! ", "": ""}  # beside the colour


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
    sections = (_head, _changes, _tables, _judges, _edits, _choice, _place, _texts, _settings, _commands)
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


def _changes(report: Report) -> str:
    groups = {
        "What the edit is for": [*report.of_role("target"), *report.of_role("floor")],
        "What it must not harm": report.of_role("keep"),
        "Also": report.of_role("note"),
    }
    pictures = []
    for title, lines in groups.items():
        panels: dict[str, list[Bar]] = {}
        for line in lines:
            panels.setdefault(FORMS[line.unit].axis, []).append(_bar(line, report.budget))
        if panels:
            pictures.append(_figure(title, change_bars(title, panels)))
    return f'<h2>What changed</h2><div class="columns">{"".join(pictures)}</div>' if pictures else ""


def _bar(line: MetricRow, budget: Budget | None) -> Bar:
    scale = FORMS[line.unit].change_scale

    def scaled(score: Score) -> tuple[float, float, float]:
        return scale * score.change, scale * score.low, scale * score.high

    change_text = difference(line.score, line.unit).split(" [")[0].replace("-", "\u2212")
    limit = None
    if budget and line.role == "keep":
        worse = -1 if line.better == "higher" else 1
        limits = {"perplexity": budget.perplexity, "nats": budget.kl, "share": worse * budget.points}
        limit = scale * limits[line.unit] if line.unit in limits else None
    return Bar(
        line.about, *scaled(line.score), verdict(line), change_text, scaled(line.random) if line.random else None, limit
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


def _edits(report: Report) -> str:
    curve = ""
    if len(report.curve) > 1:
        edits = sorted(report.curve)
        series = {name: [100 * report.curve[n][name] for n in edits] for name in report.curve[edits[0]]}
        curve = _figure("Edit after edit", over_edits(edits, series), "All edits so far, asked again after each batch.")
    rows = ""
    for edit in report.extra.get("edits", []):
        before, after = (html.escape(edit[name]) for name in ("before", "after"))
        kind = "good" if edit["right"] else "bad"
        rows += (
            f"<tr><td>{html.escape(edit['prompt'])}</td><td>{html.escape(edit['target'])}</td><td>{before}</td>"
            f'<td class="{kind}">{SIGNS[kind]}{after}</td></tr>'
        )
    head = "<tr><th>Prompt</th><th>To be said</th><th>Before</th><th>After</th></tr>"
    table = f'<div class="scroll"><table>{head}{rows}</table></div>' if rows else ""
    return f'<h2>Every fact</h2><div class="grid">{curve}</div>{table}' if curve or table else ""


def _choice(report: Report) -> str:
    parts = _dose(report) + _search(report)
    pictures = f'<div class="grid">{parts}</div>' if parts else ""
    table = _doses(report)
    title = "How the strength was chosen" if report.search else "At other strengths"
    return f"<h2>{title}</h2>{pictures}{table}" if pictures or table else ""


def _dose(report: Report) -> str:
    strengths, aim = sorted(report.doses), report.aim
    if not strengths or aim is None or aim.name not in report.doses[strengths[0]]:
        return ""
    caption = "How far the target moves with the strength of the edit, and below it what each strength costs."
    return _figure("Dose and response", _curve(report, aim, strengths), caption)


def _doses(report: Report) -> str:
    if not report.doses:
        return ""
    strengths = sorted(report.doses)
    names = list(report.doses[strengths[0]])
    lines = {line.name: line for line in report.lines}
    units = {name: lines[name].unit if name in lines else "share" for name in names}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><td>{s:g}</td>{''.join(f'<td>{figure(report.doses[s][n], units[n])}</td>' for n in names)}</tr>"
        for s in strengths
    )
    table = f'<div class="scroll"><table><tr><th>Strength</th>{head}</tr>{rows}</table></div>'
    return f"<details><summary>All figures by strength</summary>{table}</details>"


def _curve(report: Report, aim: MetricRow, strengths: Sequence[float]) -> str:
    form = FORMS[aim.unit]
    base = report.doses.get(0.0, report.doses[strengths[0]])
    floors = [line.score.before for line in report.lines if line.name == f"{aim.name}_floor"]
    damage = {}
    for line in (x for x in report.of_role("keep") if x.name in base):
        values = [report.doses[s][line.name] for s in strengths]
        if line.unit == "perplexity":
            damage[line.name] = [100 * (v / base[line.name] - 1) for v in values]
        elif line.unit == "share":
            damage[line.name] = [(1 if line.better == "higher" else -1) * 100 * (base[line.name] - v) for v in values]
    budget = report.budget
    limits = {f"budget {100 * budget.points:g} points": 100 * budget.points} if budget else {}
    if budget and any(line.unit == "perplexity" and line.name in damage for line in report.lines):
        limits[f"budget {100 * budget.perplexity:g} % perplexity"] = 100 * budget.perplexity
    return dose_response(
        strengths,
        [form.scale * report.doses[s][aim.name] for s in strengths],
        damage,
        name=aim.about,
        floor=form.scale * floors[0] if floors else None,
        limits=limits,
        chosen=report.strength,
        unit=form.suffix.strip(),
    )


def _search(report: Report) -> str:
    if not report.search or report.aim is None:
        return ""
    form = FORMS[report.aim.unit]
    base = report.doses.get(0.0, {}).get(report.aim.name)
    picture = frontier(
        report.search,
        name=report.aim.about,
        unit=form.suffix.strip(),
        scale=form.scale,
        base=None if base is None else form.scale * base,
    )
    caption = "Every candidate at every strength, measured on prompts that the rest of this report does not use."
    return _figure("What was searched", picture, caption)


def _place(report: Report) -> str:
    parts = _where(report) + _movement(report) + _activity(report) + _directions(report)
    return f'<h2>Where the edit is</h2><div class="grid">{parts}</div>' if parts else ""


def _where(report: Report) -> str:
    where = report.where
    if where is None:
        return ""
    bars = _figure("Rows by block", rows_per_layer(where.layers), "Edited rows of each block.")
    if not where.counts:
        return bars
    picture = score_histogram(where.edges, where.counts, where.chosen, score=SCORES.get(where.by, where.by))
    caption = "All rows that could be edited, by their score; the filled part is edited. The outer bars hold what lies beyond."
    return _figure("Rows by score", picture, caption) + bars


def _movement(report: Report) -> str:
    if not any(report.moved.values()):
        return ""
    shares = {block: 100 * share for block, share in report.moved.items()}
    picture = rows_per_layer(shares, what="moved, % of its norm", title="How far each block moved", name="moved")
    return _figure(
        "How far each block moved", picture, "Norm of the change of the changed matrices, as a share of theirs."
    )


def _activity(report: Report) -> str:
    activity = report.activity
    if activity is None:
        return ""
    picture = activation_change(
        (activity.wanted_before, activity.wanted_after), (activity.unwanted_before, activity.unwanted_after)
    )
    caption = "A point is an edited neuron; above the dashed line it fires on more tokens than before the edit."
    return _figure("What the edited neurons do", picture, caption)


def _directions(report: Report) -> str:
    if report.directions is None:
        return ""
    picture = cosine_matrix(report.directions.names, report.directions.cosines)
    return _figure("How alike directions are", picture, "1: the same, 0: unrelated, \u22121: opposite.")


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


def _figure(title: str, picture: str, words: str = "") -> str:
    caption = f"<figcaption>{html.escape(words)}</figcaption>" if words else ""
    return f'<figure><h3>{html.escape(title)}</h3><div class="scroll">{picture}</div>{caption}</figure>'
