"""Given candidates at several strengths, or a whole space of settings: measure, and choose the best within a budget."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..io.files import write_bytes
from ..measure.budget import Budget
from ..measure.evaluation import Baseline
from ..measure.suite import Suite
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..text.phase import within
from .points import Frontier, Measured, Point, Settings

log = logging.getLogger(__name__)


def search(
    lm: LM,
    candidates: Mapping[str, Patch],
    strengths: Sequence[float],
    suite: Suite,
    target: str,
    *,
    budget: Budget | None = None,
    stop_at: float | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Measure candidates at several strengths and choose.

    Args:
        lm: the base model.
        candidates: patches at strength 1, by a label.
        strengths: multiples to try.
        suite: the target and what to keep, on prompts that are not used for reporting.
        target: name of the measure to move.
        budget: what it may cost.
        stop_at: a share of the target that is enough; the gentlest point that reaches it is chosen.
        progress: called as measures advance.

    Returns:
        Every point, and the one within budget that moves the target most (or far enough with the smallest change).
    """
    measured = Measured.of(lm, suite, target, budget, progress)
    points = [
        p
        for label, patch in candidates.items()
        for p in measured.points({"candidate": label}, patch, strengths, progress)
    ]
    return measured.frontier(points, stop_at)


def explore(
    lm: LM,
    make: Callable[[Settings], Patch],
    space: Mapping[str, Sequence[Any]],
    strengths: Sequence[float],
    suite: Suite,
    target: str,
    *,
    first: Sequence[Settings] = (),
    trials: int = 12,
    budget: Budget | None = None,
    stop_at: float | None = None,
    baseline: Baseline | None = None,
    journal: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Frontier:
    """Search settings and strengths together.

    Args:
        lm: the base model.
        make: returns the patch of some settings at strength 1.
        space: the values each setting may take.
        strengths: multiples tried of each.
        suite: the target and what to keep, on prompts that are not used for reporting.
        target: name of the measure to move.
        first: settings tried before any are suggested.
        trials: how many settings are tried at most.
        budget: what the edit may cost.
        stop_at: a share of the target that is enough: the search ends with the first settings that reach it.
        baseline: observations of the base on the suite, if already made.
        journal: file in which the search is kept; one that exists is continued.
        seed: of the suggestions. They depend on it and on the finished trials alone, so that a continued search makes
            the choices that an uninterrupted one would have made.
        progress: called as measures advance.

    Raises:
        UsageError: when optuna is not installed.
    """
    optuna = _optuna()
    measured = Measured.of(lm, suite, target, budget, progress, baseline)
    study = _study(optuna, _repair(journal))
    while True:
        past = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        points = [Point(**point) for trial in past for point in json.loads(trial.user_attrs["points"])]
        frontier = measured.frontier(points, stop_at)
        if len(past) >= trials or (frontier.best and stop_at is not None and measured.enough(frontier.best, stop_at)):
            return frontier
        study.sampler = optuna.samplers.TPESampler(seed=seed + len(past), n_startup_trials=max(4, len(first)))
        if len(past) < len(first):
            study.enqueue_trial(first[len(past)])
        trial = study.ask()
        settings = {name: trial.suggest_categorical(name, list(choices)) for name, choices in space.items()}
        new_points, value = list[Point](), next((t.value for t in past if t.params == settings), None)
        if value is None:  # optuna may repeat itself: no need to measure then
            step = within(progress, f"settings {len(past) + 1} of at most {trials}")
            new_points = measured.points(settings, make(settings), strengths, step)
            value = max(p.gain if p.excess == 0 else -p.excess for p in new_points)
        trial.set_user_attr("points", json.dumps([vars(p) for p in new_points]))
        study.tell(trial, value)


def _repair(journal: Path | None) -> Path | None:
    """Return the journal; one that is no journal any more is kept as far as it is one.

    A kill in the middle of a line leaves half of it, behind which optuna can neither read nor write.
    """
    if journal is not None and journal.is_file():
        lines = journal.read_bytes().splitlines(keepends=True)
        intact = list(takewhile(_is_line, lines))
        if len(intact) < len(lines):
            log.warning("%s was damaged: of its %d lines %d are kept", journal, len(lines), len(intact))
            write_bytes(journal, b"".join(intact))
    return journal


def _is_line(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _study(optuna: Any, journal: Path | None) -> Any:  # noqa: ANN401 - an optional module
    """Return a study, continued where its journal has one; trials that were cut off count as failed."""
    backend = optuna.storages.journal.JournalFileBackend(str(journal)) if journal else None
    storage = optuna.storages.JournalStorage(backend) if backend else None
    states = optuna.trial.TrialState
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    for trial in study.get_trials(states=(states.RUNNING, states.WAITING)):
        study.tell(trial.number, state=states.FAIL)
    return study


def _optuna() -> Any:  # noqa: ANN401 - an optional module
    try:
        import optuna
    except ImportError as problem:
        fix = "pip install 'suture[search]'"
        raise UsageError(
            "searching settings needs one more package", why="optuna is not installed", fix=fix
        ) from problem
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
