"""Steps that Ctrl-C must not cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is done; then they take effect. Other threads never get a signal.

    Python raises KeyboardInterrupt between any two instructions, also while a thread is started: then it runs, but its
    pool does not know of it, and nobody waits for what it still writes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    changed = [number for number, handler in before.items() if callable(handler)]  # an ignored one stays ignored
    try:
        for number in changed:
            signal.signal(number, lambda number, _: pending.append(number))
        yield
    finally:
        for number in reversed(changed):  # SIGINT last: it can be raised from there on
            signal.signal(number, before[number])
        for first in pending[:1]:
            signal.raise_signal(first)
