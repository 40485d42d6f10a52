"""Work side by side that Ctrl-C ends cleanly: reading, writing and SHA-256 leave Python's lock.

KeyboardInterrupt can come while a thread is started, and while the main thread holds a lock of a future or of the pool:
then a thread runs that nobody waits for, or waits for a lock that nobody gives back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, TypeVar

import torch

from .deferred_signals import deferred_signals

WORKERS = min(4, os.cpu_count() or 1)  # each holds a few megabytes; beyond four the disk decides
RETURNED = 1 << 24  # bytes
HELD = 0.2  # seconds that a signal waits at most while the main thread waits for a result

Item = TypeVar("Item")
Result = TypeVar("Result")
Given = ParamSpec("Given")


class Pool:
    """Some threads. When its block ends, however it ends, nothing is under way any more; an error drops what was not begun."""

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with deferred_signals():
            self._threads.shutdown(cancel_futures=kind is not None)

    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **named: Given.kwargs) -> Future[Result]:
        """Begin a call."""
        with deferred_signals():
            return self._threads.submit(function, *args, **named)


def result(running: Future[Result]) -> Result:
    """Wait for a call and return what it returned; what it raised is raised."""
    while True:
        with deferred_signals():
            done, _ = wait([running], HELD)
        if done:
            return running.result()


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield `function` of each item, in the order of the items; the first error stops what was not begun."""
    # In a forked process torch builds its own pool of threads at the first call, and fails ("Invalid thread pool") when
    # two threads make that call at once; so it is made here, by one.
    torch.set_num_threads(torch.get_num_threads())
    # glibc gives a block back to the system, to ask for its pages again one by one, until it has seen a larger one returned.
    # For blocks that come and go by the hundred that takes longer than what is computed in them; this one is never touched.
    torch.empty(RETURNED, dtype=torch.uint8)
    with Pool(WORKERS) as pool:
        with deferred_signals():  # all or none: the first error stops what was not begun
            running = [pool.submit(function, item) for item in items]
        yield from map(result, running)
