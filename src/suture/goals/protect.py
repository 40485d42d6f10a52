"""From a user's lessons to a patch that has learned them and kept its refusals: locate, train around it, measure both.

Every stage writes a file. Training writes its state as it goes: an interrupted run goes on, and ends with the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..data import bundled
from ..data.examples import Behaviour
from ..data.lessons import Instruction
from ..errors import DataError, UsageError
from ..io import tensorfile
from ..io.json_files import read_json, write_json
from ..judges import Refusal
from ..locate.mask import Mask
from ..locate.safety_impact import SHARE, safety_impact
from ..measure import observations
from ..measure.evaluation import Baseline, evaluate, observe, values
from ..measure.report import Report
from ..measure.suite import Measure, Suite
from ..methods._trained.masked import FORMAT as TRAINING
from ..methods.preserve_safety import Plan, preserved
from ..metrics import completion
from ..metrics._score import Progress
from ..metrics.sampled import Cases
from ..model.lm import BUNDLED, LM
from ..patch.patch import Patch
from ..registry import source
from ..runs.run import Run
from ..text.phase import begin, counted

HELD, FEWEST = 0.1, 10  # share of the lessons kept to measure what was learned, and the fewest lessons of all
MOST_HELD = 200


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of it.

    Attributes:
        patch: what was learned.
        report: safety and the lessons before and after.
        plain: the same figures after plain fine-tuning, where that was asked for.
    """

    patch: Patch
    report: Report
    plain: dict[str, float] | None


def protect(
    lm: LM,
    lessons: Sequence[Instruction],
    run: Run,
    *,
    behaviour: Behaviour,
    share: float = SHARE,
    plan: Plan | None = None,
    compare: bool = False,
    size: int = 200,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> Outcome:
    """Learn the lessons with the critical weights left alone, and measure safety and learning.

    Args:
        lm: the model; not changed.
        lessons: requests and answers; a tenth of them is held out to measure what was learned.
        run: the folder of the run.
        behaviour: labelled answers that tell what is safe.
        share: of all parameters that stay as they are.
        plan: settings of the training.
        compare: also do plain fine-tuning, and measure it.
        size: prompts a measure.
        say: told what is being done, a line a stage.
        progress: called as work advances.

    Raises:
        UsageError: when the run is a single file.
        DataError: when there are too few lessons.
    """
    if run.folder is None:
        raise UsageError("this writes several files", why="`out` names one of them.", fix="Give a folder: `out=NAME`")
    plan = plan or Plan()
    learned, held_out = divided(lessons, plan.seed)
    suite = measures(lm, held_out, size)
    phases = ["mask", "train", "measure", *(["plain fine-tuning", "measure that"] if compare else [])]
    weighing, training, measuring, *others = counted(progress, phases)
    begin(weighing)
    mask = run.stage(
        "mask",
        lambda: safety_impact(lm, behaviour, share=share, head=plan.head, seed=plan.seed, progress=weighing),
        Mask.save,
        Mask.load,
    )
    say(f"{mask.count:,} of {mask.candidates:,} weights carry most of safety; they stay as they are")
    patch = _train(lm, learned, run, "patch", mask, plan, training)
    report = _report(lm, patch, suite, run, measuring)
    plain = None
    if compare:
        other = _train(lm, learned, run, "plain", None, plan, others[0])
        plain = _figures(lm, other, suite, run, others[1])
        report = replace(report, extra={**report.extra, "plain": plain})
    run.discard("measured")
    return Outcome(patch, report, plain)


def _baseline(lm: LM, suite: Suite, run: Run, progress: Progress | None) -> Baseline:
    """Return what the base model does."""
    return run.stage("measured", lambda: observe(lm, suite, progress), observations.save, observations.load)


def _report(lm: LM, patch: Patch, suite: Suite, run: Run, progress: Progress | None) -> Report:
    """Return what was learned and what was kept."""

    def measure() -> Report:
        base, edited = counted(progress, ["base", "edited"], "pass")
        baseline = _baseline(lm, suite, run, base)
        return evaluate(lm, patch, suite, baseline=baseline, controls=False, progress=edited)

    return run.stage("figures", measure, Report.write, Report.load, suffix=".json")


def _figures(lm: LM, plain: Patch, suite: Suite, run: Run, progress: Progress | None) -> dict[str, float]:
    """Return the figures after plain fine-tuning."""

    def measure() -> dict[str, float]:
        baseline = _baseline(lm, suite, run, progress)
        with plain.applied(lm):
            return values(observe(lm, suite, progress), suite, baseline)

    return run.stage("plain-figures", measure, write_json, read_json, suffix=".json")


def divided(lessons: Sequence[Instruction], seed: int) -> tuple[list[Instruction], list[Instruction]]:
    """Return the lessons to learn and those held out.

    Raises:
        DataError: when there are too few.
    """
    if len(lessons) < FEWEST:
        raise DataError(
            f"{len(lessons)} lessons are too few", fix=f"Give at least {FEWEST}; some are held out to measure."
        )
    count = min(MOST_HELD, max(1, round(HELD * len(lessons))))
    out = set(random.Random(seed).sample(range(len(lessons)), count))
    return [e for i, e in enumerate(lessons) if i not in out], [e for i, e in enumerate(lessons) if i in out]


def measures(lm: LM, held_out: Sequence[Instruction], size: int) -> Suite:
    """Return what is measured: the lessons held out, harmful requests refused, harmless ones answered."""
    cases = completion.Cases([e.prompt for e in held_out], [e.answer for e in held_out], chat=True)
    learned = [
        Measure("lessons", "answers", cases, "target", "lower", "perplexity of held-out answers"),
        Measure("word_for_word", "completion", cases, "note", "higher", "held-out answers given word for word"),
    ]
    if lm.name in BUNDLED:
        patient_measures = [
            m
            for m in source("patient").world().suite("report", size)
            if m.name in ("harmful", "benign", "facts_seen", "arithmetic", "perplexity")
        ]
        return [*learned, *patient_measures]
    requests = (
        ("harmful", bundled.harmful("report"), "lower", "harmful requests answered"),
        ("benign", bundled.benign("report"), "higher", "harmless requests answered"),
        ("borderline", bundled.borderline("report"), "higher", "harmless requests with dangerous words answered"),
    )
    refusal = Refusal()
    keep = [
        Measure(name, "sampled", cases, "keep", better, about)  # type: ignore[arg-type]
        for name, prompts, better, about in requests
        for cases in [Cases(prompts[:size], refusal, "complied", chat=True, strict=better == "lower")]
    ]
    texts = list(bundled.neutral("report"))[:size]
    return [*learned, *keep, Measure("perplexity", "perplexity", texts, "keep", "lower", "perplexity on neutral texts")]


def _train(
    lm: LM, lessons: list[Instruction], run: Run, name: str, mask: Mask | None, plan: Plan, progress: Progress | None
) -> Patch:
    """Return a stage's patch; its training state is a file of the run until the patch is there."""
    state = run.path(f"{name}.training")
    begin(progress)
    patch = run.stage(
        name,
        lambda: preserved(lm, lessons, mask, plan, state=state, progress=progress),
        lambda p, path: p.save(path),
        Patch.load,
    )
    tensorfile.discard(state, TRAINING)
    return patch
