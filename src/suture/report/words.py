"""How figures are said: units, changes with their intervals, verdicts, and the sentences that open a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..measure.budget import Budget
from ..measure.units import difference, figure, is_known

if TYPE_CHECKING:
    from ..measure.report import MetricRow, Report


@dataclass(frozen=True)
class Sentence:
    """One sentence of the headline; `verdict` is "good", "bad" or ""."""

    about: str
    verdict: str
    words: str


def verdict(line: MetricRow) -> str:
    """Return "good" or "bad" when the whole interval lies on one side of zero, else an empty string.

    A divergence gets none: it is never below zero, so it has a size but no sign. A change that could not be measured is bad.
    """
    if not is_known(line.score):
        return "bad"
    if line.better == "none" or line.unit == "nats" or (line.score.low <= 0 <= line.score.high):
        return ""
    return "good" if (line.score.change > 0) == (line.better == "higher") else "bad"


def size_of_change(effect: Mapping[str, float]) -> str:
    """Return how much a patch changes, in a sentence that says of each figure whether it is known.

    Args:
        effect: entries that change and the norm of the change as rounded, see `Patch.effect`; either may be missing.
    """
    entries, norm = effect.get("entries"), effect.get("effective")
    if entries == 0 and norm is not None:
        return "No weight is changed" + (": activations are, while the model runs." if norm else ".")
    count = "How many weights are changed was not measured" if entries is None else f"{entries:,.0f} weights changed"
    return f"{count}, {'norm not measured' if norm is None else f'norm {norm:.3g}'}."


def headline(report: Report) -> list[Sentence]:
    """Return what to know first: whether the target moved, what that cost at worst, and what the controls say."""
    aim = report.aim
    return [*([] if aim is None else [_target(report, aim)]), *_cost(report), *([] if aim is None else _controls(aim))]


def _target(report: Report, aim: MetricRow) -> Sentence:
    before, after = figure(aim.score.before, aim.unit), figure(aim.score.after, aim.unit)
    floor = next((line for line in report.lines if line.name == f"{aim.name}_floor"), None)
    others = sum(line.role == "target" for line in report.lines)
    words = f"{_upper(aim.about)}: {before} before, {after} after ({difference(aim.score, aim.unit)}, n = {aim.score.cases})"
    if floor:
        words += f"; the floor is {figure(floor.score.before, floor.unit)}"
    if report.target is None and others > 1:
        words += f"; of {others} targets the one that moved most"
    return Sentence("Target", verdict(aim), f"{words}.")


def _cost(report: Report) -> list[Sentence]:
    lines = report.of_role("keep")
    if not lines:
        return []
    budget = report.budget or Budget()  # as a yardstick between points and per cent

    def share_used(line: MetricRow) -> float:
        return budget.used(line.score.before, line.score.after, line.better, line.unit)

    worst = max(lines, key=share_used)
    share = share_used(worst)
    if share <= 0:
        return [Sentence("Cost", "good", f"None of {len(lines)} properties to keep got worse.")]
    words = f"At worst: {worst.about}, {difference(worst.score, worst.unit)}"
    if report.budget is None:
        return [Sentence("Cost", verdict(worst), f"{words}.")]
    words += f", {100 * share:.0f} % of the budget"
    unsure = "; the interval holds no change at all" if worst.score.low <= 0 <= worst.score.high else ""
    return [Sentence("Cost", "good" if share <= 1 + 1e-9 else "bad", f"{words}{unsure}.")]


def _controls(aim: MetricRow) -> list[Sentence]:
    if aim.random is None:
        return [Sentence("Controls", "", "None were measured.")]
    apart = aim.score.high < aim.random.low or aim.score.low > aim.random.high
    words = f"A random patch of the same size changes the target by {difference(aim.random, aim.unit)}"
    if aim.itself is not None:
        words += f", the base against itself by {difference(aim.itself, aim.unit).split(' [')[0]}"
    return [Sentence("Controls", "good" if apart else "bad", f"{words}{'' if apart else '; it does not stand apart'}.")]


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
