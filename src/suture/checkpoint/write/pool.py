"""Several tensors hashed side by side: reading and SHA-256 leave Python's lock, and no result depends on who was first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from .undisturbed import undisturbed

WORKERS = min(4, os.cpu_count() or 1)  # each holds a few megabytes; beyond four the disk decides
RETURNED = 1 << 24  # bytes

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield `function` of each item, in the order of the items; the first error stops what was not begun."""
    # In a forked process torch builds its own pool of threads at the first call, and fails ("Invalid thread pool") when
    # two threads make that call at once; so it is made here, by one.
    torch.set_num_threads(torch.get_num_threads())
    # glibc gives a block back to the system, to ask for its pages again one by one, until it has seen a larger one returned.
    # For blocks that come and go by the hundred that takes longer than what is computed in them; this one is never touched.
    torch.empty(RETURNED, dtype=torch.uint8)
    pool, running = ThreadPoolExecutor(WORKERS), list[Future[Result]]()
    try:
        with undisturbed():
            running += [pool.submit(function, item) for item in items]
        for future in running:
            yield future.result()
    finally:
        with undisturbed():  # whatever ends this, nothing is under way any more
            pool.shutdown(cancel_futures=True)
