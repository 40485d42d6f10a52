"""What needs the model for a moment, beside the texts it writes: done by the engine's thread, between two tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class ModelTasks:
    """A queue of them; any thread may add, one runs them."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, work: Callable[[], T]) -> Future[T]:
        """Put one into the queue; the future has what it returns, or what it raises."""
        future: Future[T] = Future()
        self._waiting.append((work, future))
        return future

    def run(self) -> None:
        """Do those that wait, in their order; one that fails is told to who waits for it, and the next is done."""
        while self._waiting:
            work, future = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue  # nobody waits for it any more
            try:
                future.set_result(work())
            except Exception as problem:
                future.set_exception(problem)

    def refuse(self, problem: Exception) -> None:
        """Do none of those that wait, and tell why."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(problem)
