"""How far work is, and in which of its phases: what every `progress` is called with, and how phases lie in each other.

    progress(what, done, of)
    what = "OUTER PHASE, INNER PHASE: things", as in "pass 2 of 3 edited, measure 5 of 16 success: texts"

Before the last ": " stands the phase, behind it what is counted; `done` and `of` are of the running phase alone. Nothing behind
it means that the phase begins now, and `of` 0 that nobody knows how long it is. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Progress = Callable[[str, int, int], None]  # what, done, of
COLON = ": "


def phase_of(what: str) -> str:
    """Return the phase of what a progress is called with; all of it where no things are named."""
    head, colon, _ = what.rpartition(COLON)
    return head if colon else what


def begins(what: str) -> bool:
    """Return whether a progress is told that a phase begins."""
    return what.endswith(COLON)


def begin(progress: Progress | None, phase: str = "", of: int = 0) -> None:
    """Tell a progress that a phase begins, and how long it is, if that is known; "" is the phase that it stands for itself."""
    if progress is not None:
        progress(f"{phase}{COLON}", 0, of)


def within(progress: Progress | None, phase: str) -> Progress | None:
    """Return a progress for what is done in a phase; None for None."""
    if progress is None:
        return None
    outer = progress

    def inner(what: str, done: int, of: int) -> None:
        between = "" if what == COLON else ", " if COLON in what else COLON
        outer(f"{phase}{between}{what}", done, of)

    return inner


def numbered(number: int, of: int, name: str, word: str = "phase") -> str:
    """Return how a phase is called that is one of several: "phase 2 of 5 search"."""
    return f"{word} {number} of {of} {name}"


def counted(progress: Progress | None, names: Sequence[str], word: str = "phase") -> list[Progress | None]:
    """Return a progress for each of several phases, in their order; of a single one nothing is to be told apart."""
    if len(names) == 1:
        return [progress]
    return [within(progress, numbered(i + 1, len(names), name, word)) for i, name in enumerate(names)]


def parts(progress: Progress | None, sizes: Sequence[int]) -> list[Progress | None]:
    """Return a progress for each part of one phase, whose sizes are known: together they count to the whole."""
    if progress is None:
        return [None] * len(sizes)
    outer, total = progress, sum(sizes)

    def part(before: int) -> Progress:
        return lambda what, done, of: outer(what, before + done, total)

    return [part(sum(sizes[:i])) for i in range(len(sizes))]
