"""Tasks of lm-evaluation-harness on a model as it is in memory: a patched one needs no checkpoint.

The harness is a package of its own (`pip install 'suture[eval]'`); its tasks are fetched from the Hub or read from a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..model.lm import LM
from ..patch.patch import Patch

Figures = dict[str, dict[str, float]]  # task -> metric -> value


def run(
    lm: LM,
    tasks: Sequence[str],
    *,
    patch: Patch | None = None,
    limit: int | None = None,
    batch: int = 8,
    folder: str | Path | None = None,
    shots: int | None = None,
    chat: bool = False,
) -> Figures:
    """Return the figures of some tasks.

    Args:
        lm: the model.
        tasks: names as the harness knows them.
        patch: measured with it; applied where weights change, attached where activations do.
        limit: only the first so many documents of each task.
        batch: documents at once.
        folder: where tasks of your own lie, a .yaml each.
        shots: examples before each question, instead of the task's own number.
        chat: write requests with the chat template.

    Raises:
        UsageError: when the harness is not installed, or knows no such task.
    """
    harness, model, manager = _modules()
    task_manager = manager(include_path=str(folder) if folder else None)
    unknown = [name for name in tasks if name not in task_manager.all_tasks]
    if unknown or not tasks:
        raise UsageError(
            f"no task {unknown[0]!r}" if unknown else "no tasks",
            why="The harness does not list it.",
            fix="See: lm-eval ls tasks",
        )
    with patch.used(lm) if patch else nullcontext():
        wrapped = model(pretrained=lm.model, tokenizer=lm.tokenizer, batch_size=batch, max_length=_longest(lm))
        output = harness(
            model=wrapped, tasks=list(tasks), task_manager=task_manager, limit=limit, num_fewshot=shots,
            apply_chat_template=chat, bootstrap_iters=0, log_samples=False, verbosity="ERROR",
        )  # fmt: skip
    return {task: _numbers(values) for task, values in output["results"].items()}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a task, without its errors and names; "acc,none" is "acc", "acc,strip" keeps its filter."""
    return {
        key.removesuffix(",none"): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and "stderr" not in key and "," in key
    }


def _longest(lm: LM) -> int:
    """Return how many tokens the model was made for."""
    return int(getattr(lm.model.config, "max_position_embeddings", 2048))


def _modules() -> tuple[Any, Any, Any]:
    """Return the harness's function, its model class and its list of tasks."""
    try:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager
    except ImportError as problem:
        raise UsageError(
            "tasks of lm-evaluation-harness need one more package", why=str(problem), fix="pip install 'suture[eval]'"
        ) from problem
    return simple_evaluate, HFLM, TaskManager
