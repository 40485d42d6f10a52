"""What the commands print with: tables and live progress for people, plain lines without a terminal, one JSON line.

Results go to standard output, everything else to standard error, so that `suture ... --json | tail -1` is always JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..io.unread import hear
from ..text.printable import shown
from ..text.redact import hidden_in

if TYPE_CHECKING:
    from rich.text import Text

PLAIN_EVERY = 5.0  # seconds between progress lines without a terminal
Step = Callable[[str, int, int], None]


class Console:
    """Prints for people or for machines.

    Args:
        json_only: keep standard output for one line of JSON.
    """

    def __init__(self, json_only: bool = False) -> None:
        from rich.console import Console as Rich

        self.json_only = json_only
        self.out = Rich(stderr=json_only, highlight=False, soft_wrap=False)
        self.err = Rich(stderr=True, highlight=False)
        self.unused: list[str] = []  # what files hold that is not used, see `unread`
        hear(self._note_unused)

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line; never broken by us, so that a path in it stays whole."""
        self.out.print(shown(text), style=style or None, markup=False, soft_wrap=True)

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
            self.err.print(shown(line), markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Step]:
        """Show how far something is and how long it will take; yields what to call with (what, done, of)."""
        if not self.err.is_terminal:
            yield _plain(title)
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=self.err, transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(shown(title), total=None)
            yield lambda what, done, of: bar.update(
                task, description=shown(f"{title}: {what}"), completed=done, total=of
            )


def _plain(title: str) -> Step:
    start = last = stepped = time.monotonic()
    before = 0

    def step(what: str, done: int, of: int) -> None:
        nonlocal start, last, stepped, before
        now = time.monotonic()
        if done <= before:  # the next part has begun when the one before it ended
            start = stepped
        stepped, before = now, done
        if now - last >= PLAIN_EVERY and done:
            last = now
            seconds = (now - start) / done * (of - done)
            sys.stderr.write(shown(f"{title}: {what} {done}/{of}, about {seconds:.0f} s left\n"))

    return step


def _shown(words: str) -> Text:
    """Return words that are shown as they are: nothing in them is markup, nothing moves the cursor."""
    from rich.text import Text

    return Text(shown(words))
