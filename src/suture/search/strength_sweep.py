"""Several strengths of one patch, measured in the same batches."""

from __future__ import annotations

from collections.abc import Sequence

from ..measure.evaluation import Baseline, observe, values
from ..measure.suite import Measure, Suite
from ..metrics._metric import repeated
from ..metrics._score import Observation, Progress
from ..model.lm import LM
from ..model.run.generation import Doses
from ..patch.patch import Patch
from ..text.phase import counted


def strength_sweep(
    lm: LM,
    patch: Patch,
    strengths: Sequence[float],
    suite: Suite,
    *,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Return the figures of a suite at several strengths of a patch.

    Args:
        lm: the base model.
        patch: the edit; attached, so its weights' rounding is not part of the curve.
        strengths: multiples of the patch; of none there are no figures.
        suite: what to measure.
        baseline: observations of the base, needed for measures of change (drift).
        progress: called as measures advance.
    """
    if not strengths:
        return []
    curves: list[dict[str, float]] = [{} for _ in strengths]
    attachable = patch.attachable(lm)
    together = [m for m in suite if attachable and m.kind.batches_strengths]
    apart = [m for m in suite if m not in together]
    names = [*(["what is read"] if apart else []), *(measure.name for measure in together)]
    steps = counted(progress, names, "measure") if names else []
    if apart:
        _one_by_one(lm, patch, strengths, apart, baseline, curves, steps.pop(0))
    for measure, step in zip(together, steps, strict=True):
        for curve, observation in zip(curves, _at_doses(lm, patch, strengths, measure, step), strict=True):
            _add(curve, {measure.name: observation}, [measure], baseline)
    return curves


def _add(curve: dict[str, float], made: Baseline, suite: Suite, baseline: Baseline | None) -> None:
    curve.update(values(made, suite, {m.name: (baseline or made)[m.name] for m in suite}))


def _one_by_one(
    lm: LM,
    patch: Patch,
    strengths: Sequence[float],
    suite: Suite,
    baseline: Baseline | None,
    curves: list[dict[str, float]],
    progress: Progress | None,
) -> None:
    """Measure what shares no batches, a pass per strength; measures of the same texts share it, and none is kept longer."""
    attachable = patch.attachable(lm)
    steps = counted(progress, [f"{strength:g}" for strength in strengths], "strength")
    for curve, strength, step in zip(curves, strengths, steps, strict=True):
        with patch.attached(lm, strength) if attachable else (patch * strength).applied(lm):
            _add(curve, observe(lm, suite, step), suite, baseline)


def _at_doses(
    lm: LM, patch: Patch, strengths: Sequence[float], measure: Measure, progress: Progress | None
) -> list[Observation]:
    count = len(measure)
    with patch.attached(lm) as dose:
        doses = Doses(dose, [strength for strength in strengths for _ in range(count)])
        observation = measure.kind.observe(lm, repeated(measure.cases, len(strengths)), progress, doses)
    return [observation.part(slice(i * count, (i + 1) * count)) for i in range(len(strengths))]
