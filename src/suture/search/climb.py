"""The points of one candidate: where its budget breaks, by what is cheap to measure, and what the target does just below that.

What must be kept and is read, or answered in a few tokens, says where the budget breaks (`find_bracket`); a few of the texts
that are to stay as they are say whether far less is too much for them. Only there are all texts written, at a few strengths in
the same batches. Where what is written oversteps, or the gentlest does enough already or more than the strongest, gentler ones
follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..metrics._score import Progress
from ..patch.patch import Patch
from ..text.phase import counted
from .bracket import SIDE_BY_SIDE, Verdict, find_bracket
from .points import Measured, Point, Settings
from .state_shift import Span

SHARES = (0.5, 2**-0.5, 1.0)  # of the strongest within the budget: where the target is measured
DESCENTS = 3  # times that gentler strengths follow at most: together a factor of 2 ** (1.5 * DESCENTS)
FEW, FEWEST = 3, 12  # one case in so many is asked first, where those are enough to tell what surely costs too much
HALVINGS = 6  # of a strength at which they do


def climb(
    measured: Measured,
    settings: Settings,
    patch: Patch,
    span: Span,
    *,
    begin: float | None = None,
    stop_at: float | None = None,
    shares: Sequence[float] = SHARES,
    progress: Progress | None = None,
) -> list[Point]:
    """Return the points of a candidate, by rising strength; those over the budget are among them.

    Args:
        measured: the base, and what figures are compared by.
        settings: of the candidate.
        patch: at strength 1.
        span: the strengths worth trying.
        begin: where to begin; by default where the span does.
        stop_at: figure of the target that is enough.
        shares: of the strongest within the budget, at which the target is measured.
        progress: called as measures advance.
    """
    looking, writing = counted(progress, ["the budget", "the target"], "part")
    curves: dict[float, dict[str, float]] = {}
    reads = [m for m in measured.to_keep if m.kind.cost != "writes"]
    writes = [m for m in measured.to_keep if m.kind.cost == "writes"]

    def levels(strengths: Sequence[float]) -> list[Verdict]:
        curves.update(zip(strengths, measured.figures(patch, strengths, reads, looking), strict=True))
        return ["over" if measured.excess(curves[s]) else "within" for s in strengths]

    # strengths that share no batches are read one after the other, each where the last one says
    together = SIDE_BY_SIDE if any(m.kind.batches_strengths for m in reads) else 1
    start = min(begin or span.start, span.limit)
    top = find_bracket(levels, start, limit=span.limit, side_by_side=together).low if reads else span.limit
    if top is not None:
        top = _kept_by_few(measured, patch, top, writing)
    size = patch.provenance.effect["intended"]
    for _ in range(DESCENTS if top is not None else 0):
        assert top is not None
        strengths = [top * share for share in sorted(shares)]
        levels([s for s in strengths if s not in curves])
        for suite in (*([m] for m in writes), [measured.aim]):
            alive = [s for s in strengths if not measured.excess(curves[s])]
            for strength, figures in zip(alive, measured.figures(patch, alive, suite, writing), strict=True):
                curves[strength] |= figures
        points = [measured.point(settings, s, curves[s], size) for s in strengths]
        gentlest = points[0]
        enough = gentlest.excess == 0 and measured.enough(gentlest, stop_at)
        if not (enough or all(p.excess for p in points) or _overdone(measured, points)):
            break
        top = strengths[0] / 2**0.5
    return [measured.point(settings, s, curves[s], size) for s in sorted(curves)]


def _overdone(measured: Measured, points: Sequence[Point]) -> bool:
    """Return whether the strongest point within the budget does less than the gentlest, or harm, by more than noise."""
    inside = [p for p in points if p.excess == 0 and not math.isnan(p.gain)]
    if not inside:
        return False
    noise = measured.noise.get(measured.target, 0.0)
    return inside[-1].gain < max(inside[0].gain, 0.0) - noise


def _kept_by_few(measured: Measured, patch: Patch, top: float, progress: Progress | None) -> float:
    """Return a strength, halved until a few of the texts that are to stay as they are no longer surely cost too much."""
    written = {m.name: len(m) // FEW for m in measured.to_keep if m.kind.cost == "writes" and len(m) >= FEW * FEWEST}
    if not written:
        return top
    few = measured.part({**written, measured.target: len(measured.aim)})
    for _ in range(HALVINGS):
        (figures,) = few.figures(patch, [top], few.to_keep, progress)
        if not few.excess(figures):
            break
        top /= 2
    return top


def named_limit(points: Sequence[Point], span: Span) -> str:
    """Return why no stronger strength was tried, where it was not the budget that ended it; "" where it was."""
    strongest = max((p.strength for p in points if p.excess == 0), default=0.0)
    return span.why if strongest >= span.limit else ""
