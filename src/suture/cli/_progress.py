"""How far a command is, shown live on a terminal and in plain lines anywhere else; how long the running phase still takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..text.phase import COLON, begins, phase_of
from ..text.printable import shown

if TYPE_CHECKING:
    from rich.console import Console as Rich

    from ..text.phase import Progress

PLAIN_EVERY = 5.0  # seconds between lines without a terminal
LONG = 120  # seconds from which minutes are said, and minutes from which hours are
BAR = 16  # columns of the bar
Clock = Callable[[], float]


class Pace:
    """How fast the running phase is: its own speed, counted from where it began, whatever was before.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase, self._first, self._done = "", 0, 0
        self._began = self._stepped = clock()

    def step(self, what: str, done: int, of: int) -> float | None:
        """Take note of a step; returns the seconds that the phase still takes, None where that can not be known."""
        now, phase = self._clock(), phase_of(what)
        if phase != self._phase or done <= self._done:
            announced = begins(what) or not done
            # without an announcement a phase has begun when the one before it ended
            self._began, self._first = (now, done) if announced else (self._stepped, 0)
        self._phase, self._done, self._stepped = phase, done, now
        steps = done - self._first
        return (now - self._began) / steps * (of - done) if steps > 0 and of >= done else None


def left(seconds: float | None) -> str:
    """Return how long it still takes, in words; "" where nobody knows."""
    if seconds is None:
        return ""
    if seconds < LONG:
        return f"about {seconds:.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < LONG else f"about {minutes / 60:.0f} h left"


def plain(title: str, write: Callable[[str], Any], clock: Clock) -> Progress:
    """Return a progress that writes a line every PLAIN_EVERY seconds, and one when a phase of unknown length begins."""
    pace, last = Pace(clock), clock()

    def step(what: str, done: int, of: int) -> None:
        nonlocal last
        seconds, now = pace.step(what, done, of), clock()
        if begins(what) and not of:
            write(shown(f"{title}: {phase_of(what)}") + "\n")
        elif now - last >= PLAIN_EVERY and done:
            rest = f", {left(seconds)}" if seconds is not None else ""
            write(shown(f"{title}: {what} {done}/{of}{rest}") + "\n")
        else:
            return
        last = now

    return step


@contextmanager
def live(title: str, screen: Rich, clock: Clock, *, whole: bool) -> Iterator[Progress]:
    """Show a bar on a terminal as long as the block runs.

    Args:
        title: of the command.
        screen: the console that prints on that terminal; what it prints meanwhile stands above the bar.
        clock: seconds.
        whole: standard output is that terminal, too: what others write there also goes above the bar.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    words = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, overflow="fold"))
    columns = (words, BarColumn(bar_width=BAR), TextColumn("{task.fields[count]}"), TimeElapsedColumn(),
               TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)))  # fmt: skip
    pace = Pace(clock)
    with Progress(*columns, console=screen, transient=True, redirect_stdout=whole, expand=True) as bar:
        task = bar.add_task(shown(title), total=None, count="", left="")

        phase = ""

        def step(what: str, done: int, of: int) -> None:
            nonlocal phase
            before, phase = phase, phase_of(what)
            bar.update(
                task,
                description=shown(f"{title}: {what.removesuffix(COLON)}"),
                completed=done,
                total=of or None,
                count=f"{done}/{of}" if of else "",
                left=left(pace.step(what, done, of)),
                refresh=phase != before,  # seen at once, however short it is
            )

        yield step
