"""A patch at several strengths, for suture eval: what each does to the target, as a curve of the report and as bars."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..measure.evaluation import Baseline
    from ..measure.report import Report
    from ..measure.suite import Suite
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ..text.phase import Progress
    from ._console import Console


def strengths(words: str) -> list[float]:
    """Return the strengths that are written with commas; none for "".

    Raises:
        UsageError: when one is no number.
    """
    from math import isfinite

    from ..errors import UsageError

    try:
        values = [float(word) for word in words.split(",") if word.strip()]
    except ValueError:
        values = [float("nan")]
    if not all(map(isfinite, values)):
        raise UsageError(f"{words!r} are no strengths", fix="Write numbers with commas: --doses 0.25,0.5,1")
    return sorted(set(values) - {0.0})


def dosed(
    lm: LM,
    patch: Patch,
    at: Sequence[float],
    suite: Suite,
    before: Baseline,
    report: Report,
    progress: Progress | None,
) -> Report:
    """Return the report with the figures at each strength: of its target, and of what is to keep."""
    from ..search import strength_sweep

    aim = report.aim
    measures = [m for m in suite if m.role == "keep" or (aim is not None and m.name == aim.name)]
    curves = strength_sweep(lm, patch, at, measures, baseline=before, progress=progress)
    base = {m.name: report.values("before")[m.name] for m in measures}
    return replace(report, doses=dict(sorted({0.0: base, **dict(zip(at, curves, strict=True))}.items())))


def print_doses(console: Console, report: Report) -> None:
    """Print the target at each strength, with bars."""
    from ..chat.strength_sweep import bar
    from ..measure.units import figure

    aim = report.aim
    if not report.doses or aim is None:
        return
    values = {strength: scores[aim.name] for strength, scores in report.doses.items()}
    most = 1.0 if aim.unit == "share" else max(values.values())
    rows = [[f"{s:g}", figure(value, aim.unit), bar(value, most)] for s, value in values.items()]
    console.table(["strength", aim.about, ""], rows, "Dose and response")
    console.say()
