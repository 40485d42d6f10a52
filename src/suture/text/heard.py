"""Progress from the inside of a method or locator: loops tell it, and whoever called may listen; no signature carries it.

    with heard_by(progress):
        patch = method(lm, examples)     # loops inside call tell("steps", done, of)

A function that takes a `progress` of its own tells that one instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .phase import Progress

_LISTENER: ContextVar[Progress | None] = ContextVar("who listens to what loops tell", default=None)


@contextmanager
def heard_by(progress: Progress | None) -> Iterator[None]:
    """Hand what loops tell inside the block to a progress; None listens to nothing."""
    before = _LISTENER.set(progress)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def tell(what: str, done: int, of: int) -> None:
    """Tell whoever listens how far a loop is; nobody need.

    Args:
        what: is counted, as of `Progress`.
        done: so many.
        of: all of them.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, done, of)
