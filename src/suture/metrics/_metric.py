"""What a metric is: how it observes a model, how it compares two observations, and what others need to know of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast, overload

from ..registry import get
from ._score import Observation, Score, Unit, paired

Cost = Literal["reads", "answers", "writes"]  # of a case: a text is read; a few tokens are written; a whole text is
Cases = TypeVar("Cases")
F = TypeVar("F", bound=Callable[..., Observation])


@dataclass(frozen=True)
class Metric(Generic[Cases]):
    """One property that can be measured.

    Attributes:
        observe: `(lm, cases, progress)` -> what a model, as it is now, does on the cases. Costly.
        score: `(before, after)` compares two observations of the same cases in the same order; needs no model.
        unit: of its figures.
        cost: of a case.
        cache_key: of cases; measures with the same key share what was observed (texts that were written). None: they never do.
        repeat: `(cases, made)` makes the observation of cases from one with the same key; None where that one keeps too little.
        batches_strengths: `observe` takes `doses`, too: several strengths of a patch are asked in the same batches.
    """

    observe: Callable[..., Observation]
    score: Callable[[Observation, Observation], Score] = paired
    unit: Unit = "share"
    cost: Cost = "reads"
    cache_key: Callable[[Cases], Hashable] | None = None
    repeat: Callable[[Cases, Observation], Observation | None] | None = None
    batches_strengths: bool = False


@overload
def metric(observe: F) -> F: ...


@overload
def metric(
    *,
    score: Callable[[Observation, Observation], Score] = paired,
    unit: Unit = "share",
    cost: Cost = "reads",
    cache_key: Callable[[Any], Hashable] | None = None,
    repeat: Callable[[Any, Observation], Observation | None] | None = None,
    batches_strengths: bool = False,
) -> Callable[[F], F]: ...


def metric(
    observe: Callable[..., Observation] | None = None,
    *,
    score: Callable[[Observation, Observation], Score] = paired,
    unit: Unit = "share",
    cost: Cost = "reads",
    cache_key: Callable[[Any], Hashable] | None = None,
    repeat: Callable[[Any, Observation], Observation | None] | None = None,
    batches_strengths: bool = False,
) -> Callable[..., Any]:
    """Mark the function `observe(lm, cases, progress)` of a file as a metric, which has the file's name.

    Args:
        observe: the function, where no more is said: `@metric`.
        score: see `Metric`, as for all others.
        unit: see there.
        cost: see there.
        cache_key: see there.
        repeat: see there.
        batches_strengths: see there.
    """

    def mark(function: F) -> F:
        definition = Metric(function, score, unit, cost, cache_key, repeat, batches_strengths)
        vars(function).update(__suture_kind__="metric", __suture_metric__=definition)
        return function

    return mark if observe is None else mark(observe)


def metric_named(name: str) -> Metric[Any]:
    """Return a metric by the name of its file in `suture.metrics`, of an entry point, or by the path of a file.

    Raises:
        UsageError: when there is none; names the nearest.
    """
    file = Path(name)
    return _load(name, file.stat().st_mtime_ns if file.suffix == ".py" and file.is_file() else 0)


@functools.cache  # a search asks at every point; a file that was written again is read again
def _load(name: str, changed: int) -> Metric[Any]:
    return cast(Metric[Any], vars(get("metric", name))["__suture_metric__"])


def part(cases: Any, which: slice) -> Any:  # noqa: ANN401 - whatever a metric observes
    """Return part of some cases: of each column, which is as long as the prompts."""
    if not is_dataclass(cases):
        return list(cases)[which]
    return replace(cast(Any, cases), **{name: column[which] for name, column in _columns(cases).items()})


def repeated(cases: Any, times: int) -> Any:  # noqa: ANN401 - whatever a metric observes
    """Return cases so many times, one whole round after the other."""
    if not is_dataclass(cases):
        return list(cases) * times
    return replace(cast(Any, cases), **{name: list(column) * times for name, column in _columns(cases).items()})


def count(cases: Any) -> int:  # noqa: ANN401 - whatever a metric observes
    """Return how many cases there are."""
    return len(getattr(cases, "prompts", cases))


def _columns(cases: Any) -> dict[str, Sequence[Any]]:  # noqa: ANN401 - a dataclass with prompts
    values = {field.name: getattr(cases, field.name) for field in fields(cases)}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == count(cases)
    }
