"""Measure a model before and after a patch, with the controls that make the difference believable."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from ..metrics._score import Observation, Progress, Score
from ..model.lm import LM
from ..patch.patch import Patch
from ..patch.provenance import Provenance
from ..text.phase import begin, counted, numbered, within
from .panel import panel
from .report import MetricRow, Report, Sample
from .suite import Measure, Suite

SAMPLES_SHOWN = 6  # prompts of each sampled measure that the report shows before and after
Baseline = dict[str, Observation]


class Attachable(Protocol):
    """What acts beside the weights while a model is used, such as a memory of facts."""

    def attached(self, lm: LM) -> AbstractContextManager[None]:
        """Have it in effect inside a block."""


def observe(lm: LM, suite: Suite, progress: Progress | None = None) -> Baseline:
    """Observe a model, as it is now, on every measure. Measures of the same texts share the work."""
    observations: Baseline = {}
    by_key: dict[Hashable, Observation] = {}
    for number, measure in enumerate(suite):
        metric = measure.kind
        key = metric.cache_key(measure.cases) if metric.cache_key else None
        repeated = metric.repeat(measure.cases, by_key[key]) if metric.repeat and key in by_key else None
        if repeated is not None:
            observations[measure.name] = by_key[key] = repeated
            continue
        step = within(progress, numbered(number + 1, len(suite), measure.name, "measure"))
        begin(step, of=len(measure))
        observations[measure.name] = metric.observe(lm, measure.cases, step)
        by_key[key or measure.name] = observations[measure.name]
    return observations


def evaluate(
    lm: LM,
    patch: Patch | None,
    suite: Suite,
    *,
    beside: Attachable | None = None,
    baseline: Baseline | None = None,
    controls: bool = True,
    control_suite: Suite | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Measure what a patch changed and what it cost.

    Args:
        lm: the base model.
        patch: the edit; None when what stands beside the weights is all that is measured.
        suite: what to measure.
        beside: a memory that is in effect, too.
        baseline: observations of the base model, if already made.
        controls: also measure the base against itself and a random patch of the same size and rows.
        control_suite: what the random patch is measured on; by default the whole suite.
        seed: of the random patch.
        progress: called as measures advance.

    Raises:
        PatchMismatch: when the patch was made for another base.

    Example:
        >>> import torch
        >>> from suture import LM, LowRank, Patch, evaluate
        >>> from suture.measure import Measure
        >>> lm = LM.load("patient")
        >>> weight = lm.anatomy.weights("mlp.down")[0]
        >>> change = weight.place(LowRank(torch.full((192, 1), 0.1), torch.ones(1, 512)))
        >>> patch = Patch.make(lm, {weight.tensor: change}, method="by hand", settings={})
        >>> measure = Measure("perplexity", "perplexity", ["Anna read a book."], "keep", "lower", "perplexity")
        >>> report = evaluate(lm, patch, [measure])
        >>> report.line("perplexity").score.cases
        1
    """
    if patch:
        patch.check_base(lm)  # before the base is measured in vain
    passes = [*([] if baseline else ["base"]), "edited", *(["random patch"] if controls and patch else [])]
    steps = dict(zip(passes, counted(progress, passes, "pass"), strict=True))
    before = baseline or observe(lm, suite, steps["base"])
    after = _observe_edited(lm, patch, suite, beside, steps["edited"])
    randomised: Baseline | None = None
    if controls and patch:
        randomised = _observe_edited(
            lm, patch.randomised(lm, seed), control_suite or suite, None, steps["random patch"]
        )
    lines = [_line(measure, before, after, randomised, controls=controls) for measure in suite]
    judges = {"base": panel(suite, before), "edited": panel(suite, after)}
    provenance = patch.provenance if patch else Provenance("memory" if beside else "base")
    effect = patch.effect(lm) if patch else {"intended": 0.0, "effective": 0.0, "entries": 0}
    extra = {"judges": judges} if judges["base"] else {}
    return Report(lm.name, provenance.method, provenance.settings, effect, lines, extra=extra)


def _observe_edited(
    lm: LM, patch: Patch | None, suite: Suite, beside: Attachable | None, progress: Progress | None
) -> Baseline:
    """Observe a model with a patch, and with what stands beside its weights, in effect."""
    with ExitStack() as stack:
        if patch:
            stack.enter_context(patch.used(lm))
        if beside:
            stack.enter_context(beside.attached(lm))
        return observe(lm, suite, progress)


def _line(
    measure: Measure, before: Baseline, after: Baseline, randomised: Baseline | None, *, controls: bool
) -> MetricRow:
    """Return one measure's line of a report."""
    score, base, now = measure.kind.score, before[measure.name], after[measure.name]
    return MetricRow(
        measure.name,
        measure.role,
        measure.better,
        measure.about,
        score(base, now),
        itself=score(base, base) if controls else None,
        random=score(base, randomised[measure.name]) if randomised and measure.name in randomised else None,
        samples=_samples(measure, base, now),
        unit=measure.unit,
    )


def values(observations: Baseline, suite: Suite, against: Baseline | None = None) -> dict[str, float]:
    """Return the figure of each measure, by name, as reports show it."""
    reference = against or observations
    return {m.name: m.kind.score(reference[m.name], observations[m.name]).after for m in suite}


def scores(before: Baseline, after: Baseline, suite: Suite) -> dict[str, Score]:
    """Return how each measure changed, by name."""
    return {m.name: m.kind.score(before[m.name], after[m.name]) for m in suite}


def _samples(measure: Measure, before: Observation, after: Observation) -> Sequence[Sample]:
    if "labels" not in before.extra:
        return []
    rows = zip(
        measure.cases.prompts, before.texts, after.texts, before.extra["labels"], after.extra["labels"], strict=True
    )
    return [Sample(p, b[0], a[0], lb[0], la[0]) for p, b, a, lb, la in rows][:SAMPLES_SHOWN]
