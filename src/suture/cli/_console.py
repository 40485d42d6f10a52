"""What the commands print with: tables and live progress for people, plain lines without a terminal, one JSON line.

Results go to standard output, everything else to standard error, so that `suture ... --json | tail -1` is always JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..io.unread import hear
from ..io.unread import log as unread_log
from ..text.printable import shown
from ..text.redact import hidden_in
from ._progress import live, plain

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.text import Text

    from ..text.phase import Progress

UNREAD = unread_log.name


class Console:
    """Prints for people or for machines: the one place that writes to the terminal.

    Where standard output and error are one terminal, all lines go through one console, which knows of the live bar and prints
    above it.

    Args:
        json_only: keep standard output for one line of JSON.
        screen: prints instead of standard error, and of standard output if it is a terminal.
        clock: seconds, for the time that is left.
    """

    def __init__(
        self, json_only: bool = False, *, screen: Rich | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from rich.console import Console as Rich

        self.json_only = json_only
        self.err = screen or Rich(stderr=True, highlight=False)
        # rich also takes a pipe for a terminal when FORCE_COLOR is set: colours may be wanted there, a bar never
        self._live = (
            (screen is not None or sys.stderr.isatty()) and self.err.is_terminal and not self.err.is_dumb_terminal
        )
        one = json_only or (self._live and (screen is not None or sys.stdout.isatty()))
        self.out = self.err if one else Rich(highlight=False, soft_wrap=False)
        self.unused: list[str] = []  # what files hold that is not used, see `unread`
        self._clock = clock
        self._step: Progress | None = None
        hear(self._note_unused)
        _listen(self)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line; never broken by us, so that a path in it stays whole."""
        self.out.print(shown(text), style=style or None, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line about what is done, not of the result."""
        self.err.print(shown(text), markup=False, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
        """Print a table; columns of figures to the right, the first column and words to the left."""
        from rich.table import Table

        table = Table(
            title=_shown(title) if title else None, title_justify="left", box=None, pad_edge=False, header_style="bold"
        )
        for index, name in enumerate(columns):
            figures = index > 0 and all(row[index][:1] in "+-0123456789" for row in rows)
            table.add_column(_shown(name), justify="right" if figures else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(_shown, row))
        self.out.print(table)

    def columns(self, texts: dict[str, str]) -> None:
        """Print texts side by side, each below its title, in columns of the same width."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        for title in texts:
            table.add_column(_shown(title), ratio=1, overflow="fold")
        table.add_row(*map(_shown, texts.values()))
        self.out.print(table)

    def result(self, content: dict[str, Any]) -> None:
        """Print the one line of JSON, if asked for."""
        if self.json_only:
            content = hidden_in(json.loads(json.dumps(content | self.noted, default=str)))
            sys.stdout.write(json.dumps(content, sort_keys=True) + "\n")
            sys.stdout.flush()

    @property
    def noted(self) -> dict[str, list[str]]:
        """What files hold that was not used, as JSON and reports keep it."""
        return {"unused": self.unused} if self.unused else {}

    def _note_unused(self, line: str) -> None:
        if line not in self.unused:
            self.unused.append(line)
            self.note(line)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show how far something is and how long its running phase takes; yields what to call with (what, done, of).

        One inside another one goes on in the same bar.
        """
        if self._step is not None:
            yield self._step
            return
        with ExitStack() as shown_until:
            if self._live:
                bar = live(title, self.err, self._clock, whole=self.out is self.err)
                self._step = shown_until.enter_context(bar)
            else:
                self._step = plain(title, lambda text: sys.stderr.write(text), self._clock)
            try:
                yield self._step
            finally:
                self._step = None


class _Logs(logging.Handler):
    """Hands warnings of this package to a console, which knows where a live bar stands."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record's message as one line."""
        if record.name != UNREAD:  # those are told as they come, see `Console._unused`
            self._console.note(record.getMessage())


def _listen(console: Console) -> None:
    """Have one console, the latest, print what the package logs."""
    log = logging.getLogger(__package__.partition(".")[0])
    for before in [handler for handler in log.handlers if isinstance(handler, _Logs)]:
        log.removeHandler(before)
    log.addHandler(_Logs(console))


def _shown(words: str) -> Text:
    """Return words that are shown as they are: nothing in them is markup, nothing moves the cursor."""
    from rich.text import Text

    return Text(shown(words))
