"""A suite: what an evaluation measures, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..data.examples import Texts
from ..errors import DataError, UsageError
from ..metrics._metric import Metric, count, metric_named, part
from ..metrics._score import Unit
from ..registry import source, sources

Role = Literal["target", "floor", "keep", "note"]
Better = Literal["higher", "lower", "none"]


@dataclass(frozen=True)
class Measure:
    """One line of a report.

    Attributes:
        name: short, as in JSON.
        metric: name of a metric (`suture.metrics`), or the path of a file with one.
        cases: what that metric observes.
        role: "target" (an edit is meant to move it), "floor" (what a target could reach at best), "keep" (an edit must
            not harm it) or "note".
        better: which way is better; "none" for a note.
        about: one line for people.
    """

    name: str
    metric: str
    cases: Any
    role: Role
    better: Better
    about: str

    def __post_init__(self) -> None:
        """Raise UsageError for a role or a way that there is not: such a line would stand in no part of a report."""
        for what, value, choices in (("role", self.role, get_args(Role)), ("better", self.better, get_args(Better))):
            if value not in choices:
                raise UsageError(f"{self.name}: no {what} {value!r}", fix=f"Use one of {', '.join(choices)}.")

    @property
    def kind(self) -> Metric[Any]:
        """The metric itself."""
        return metric_named(self.metric)

    @property
    def unit(self) -> Unit:
        """The unit of its figures."""
        return self.kind.unit

    def part(self, which: slice) -> Measure:
        """Return the measure on part of its cases."""
        return replace(self, cases=part(self.cases, which))

    def __len__(self) -> int:
        """Return the number of its cases."""
        return count(self.cases)


Suite = list[Measure]


def suite_from(
    model: str,
    name: str | None = None,
    texts: Path | None = None,
    prompts: Path | None = None,
    judge: str | Sequence[str] = "refusal",
    *,
    chat: bool = False,
    size: int = 200,
) -> Suite:
    """Return the suite of a name ("patient", "patient:tune"), or one from files; of neither, the patient has its own.

    Raises:
        UsageError: when there is no such suite.
        DataError: as `from_files`.
    """
    if size < 1:
        raise DataError(f"can not measure {size} prompts", fix="Give a size of at least 1.")
    if name is None and (model not in ("patient", "patient-moe") or texts or prompts):
        return from_files(texts, prompts, judge, chat=chat, size=size)
    source_name = (name or "patient").partition(":")[0]
    if source_name not in sources():
        raise UsageError(
            f"no suite {name!r}", fix='Use "patient", "patient:tune", or `texts` and `prompts` with files.'
        )
    suite: Suite = source(source_name).suite(name or source_name, size)
    return suite


def measure_named(suite: Suite, name: str) -> Measure:
    """Return the measure of a name.

    Raises:
        UsageError: when the suite has none.
    """
    for measure in suite:
        if measure.name == name:
            return measure
    raise UsageError(
        f"the suite does not measure {name!r}", fix=f"Use one of {', '.join(measure.name for measure in suite)}."
    )


def from_files(
    texts: Path | None,
    prompts: Path | None,
    judge: str | Sequence[str] = "refusal",
    *,
    chat: bool = False,
    size: int = 200,
) -> Suite:
    """Make a suite from plain text files, a text or prompt a line.

    Args:
        texts: neutral texts, for perplexity and drift.
        prompts: to be continued freely and judged.
        judge: names for `judge_named`. The first decides: its unwanted label is the target. The others judge the same
            texts and are shown beside it.
        chat: write the prompts with the chat template.
        size: lines used of each file.

    Raises:
        DataError: when a file is missing or empty, or a judge unknown.
    """
    measures: Suite = []
    if prompts:
        lines = list(Texts.load(prompts))[:size]
        for index, name in enumerate([judge] if isinstance(judge, str) else judge):
            measures += _judge_measures(lines, name, chat, decides=index == 0)
    if texts:
        lines = list(Texts.load(texts))[:size]
        measures.append(Measure("perplexity", "perplexity", lines, "keep", "lower", "perplexity on the texts"))
        measures.append(Measure("drift", "drift", lines, "note", "lower", "KL per token on the texts"))
    if not measures:
        raise DataError("nothing to measure", fix='Give `texts=FILE`, `prompts=FILE` or `suite="patient"`.')
    return measures


def _judge_measures(prompts: list[str], name: str, chat: bool, *, decides: bool) -> Suite:
    """Return the measures of one judge: how often each of its labels is given, the unwanted one first."""
    from ..judges import judge_named, others, unwanted
    from ..metrics.sampled import Cases

    judge = judge_named(name)
    unwanted_label = unwanted(judge)
    measures: Suite = []
    for label in (unwanted_label, *(other for other in judge.labels if other != unwanted_label)):
        better: Better = "lower" if label == unwanted_label else "none" if label in others(judge) else "higher"
        role: Literal["target", "note"] = "target" if decides and label == unwanted_label else "note"
        title, about = (label, f"{label} answers") if decides else (f"{label} ({name})", f"{label} answers, by {name}")
        cases = Cases(prompts, judge, label, chat=chat, strict=better == "lower")
        measures.append(Measure(title, "sampled", cases, role, better, about))
    return measures
