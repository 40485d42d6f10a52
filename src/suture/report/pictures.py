"""The sections of a report that are pictures: what changed, edit after edit, how the strength was chosen, where the edit is."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..measure.budget import Budget
from ..measure.report import MetricRow, Report
from ..measure.units import FORMS, difference, figure
from ..metrics._score import Score
from .figures.activation_change import activation_change
from .figures.change_bars import Bar, change_bars
from .figures.cosine_matrix import cosine_matrix
from .figures.dose_response import dose_response
from .figures.frontier import frontier
from .figures.over_edits import over_edits
from .figures.rows_per_layer import rows_per_layer
from .figures.score_histogram import score_histogram
from .style import SIGNS
from .words import verdict

SCORES = {"cosine": "cosine with the probe", "effect": "gain over damage", "random": "cosine with the probe"}


def changes(report: Report) -> str:
    """Return how far each measure moved, a picture a role."""
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


def edits(report: Report) -> str:
    """Return every fact of a sequence of edits: the curve over the edits, and a row each."""
    curve = ""
    if len(report.curve) > 1:
        counts = sorted(report.curve)
        series = {name: [100 * report.curve[n][name] for n in counts] for name in report.curve[counts[0]]}
        curve = _figure(
            "Edit after edit", over_edits(counts, series), "All edits so far, asked again after each batch."
        )
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


def choice(report: Report) -> str:
    """Return how the strength was chosen, or what other strengths do."""
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


def place(report: Report) -> str:
    """Return where the edit is, and how that relates to what the model does there."""
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


def _figure(title: str, picture: str, words: str = "") -> str:
    caption = f"<figcaption>{html.escape(words)}</figcaption>" if words else ""
    return f'<figure><h3>{html.escape(title)}</h3><div class="scroll">{picture}</div>{caption}</figure>'
