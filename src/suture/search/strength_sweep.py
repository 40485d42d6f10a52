"""Several strengths of one patch, measured in the same batches."""

from __future__ import annotations

from collections.abc import Sequence

from ..measure.evaluation import Baseline, values
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
        strengths: multiples of the patch.
        suite: what to measure.
        baseline: observations of the base, needed for measures of change (drift).
        progress: called as measures advance.
    """
    curves: list[dict[str, float]] = [{} for _ in strengths]
    names = [measure.name for measure in suite]
    steps = counted(progress, names, "measure")
    for measure, step in zip(suite, steps, strict=True):
        for curve, observation in zip(curves, _at_doses(lm, patch, strengths, measure, step), strict=True):
            against = baseline[measure.name] if baseline else observation
            curve.update(values({measure.name: observation}, [measure], {measure.name: against}))
    return curves


def _at_doses(
    lm: LM, patch: Patch, strengths: Sequence[float], measure: Measure, progress: Progress | None
) -> list[Observation]:
    attachable, cases, metric = patch.attachable(lm), measure.cases, measure.kind
    if not attachable or not metric.batches_strengths:  # nothing to share: a pass per strength
        observations = []
        steps = counted(progress, [f"{strength:g}" for strength in strengths], "strength")
        for strength, step in zip(strengths, steps, strict=True):
            with patch.attached(lm, strength) if attachable else (patch * strength).applied(lm):
                observations.append(metric.observe(lm, cases, step))
        return observations
    count = len(measure)
    with patch.attached(lm) as dose:
        doses = Doses(dose, [strength for strength in strengths for _ in range(count)])
        observation = metric.observe(lm, repeated(cases, len(strengths)), progress, doses)
    return [_part(observation, slice(i * count, (i + 1) * count)) for i in range(len(strengths))]


def _part(observation: Observation, part: slice) -> Observation:
    extra = {key: value[part] for key, value in observation.extra.items()}
    return Observation(observation.values[part], observation.weights[part], observation.texts[part], extra)
