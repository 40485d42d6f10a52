"""What a search has measured, a line a candidate and rung, so that one that was interrupted measures nothing twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..io.files import write_bytes
from ..io.system import reported
from .points import Point, Settings
from .state_shift import Span

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A candidate on a rung.

    Attributes:
        rung: its number.
        settings: of the candidate.
        points: what was measured; none where it could not be made.
        span: the strengths worth trying.
    """

    rung: int
    settings: Settings
    points: list[Point]
    span: Span | None


@dataclass(eq=False)
class Journal:
    """The entries of a search, in the order in which they were made.

    Attributes:
        path: file of JSON lines; None keeps them in memory alone.
    """

    path: Path | None
    entries: list[Entry] = field(init=False)

    def __post_init__(self) -> None:
        """Read what is there; what is no journal any more is cut off, as a kill in the middle of a line leaves half of it."""
        self.entries = []
        if self.path is None or not self.path.is_file():
            return
        lines = self.path.read_bytes().splitlines(keepends=True)
        self.entries = list(_read(lines))
        if len(self.entries) < len(lines):
            log.warning("%s was damaged: of its %d lines %d are kept", self.path, len(lines), len(self.entries))
            write_bytes(self.path, b"".join(lines[: len(self.entries)]))

    def entry(self, rung: int, settings: Settings) -> Entry | None:
        """Return what is known of a candidate on a rung."""
        return next((e for e in self.entries if e.rung == rung and e.settings == settings), None)

    def span(self, settings: Settings) -> Span | None:
        """Return the strengths of a candidate that are worth trying, if they are known."""
        return next((e.span for e in self.entries if e.settings == settings and e.span), None)

    def add(self, entry: Entry) -> None:
        """Keep an entry, flushed at once."""
        self.entries.append(entry)
        if self.path is None:
            return
        span = None if entry.span is None else vars(entry.span)
        content: dict[str, Any] = {**vars(entry), "points": [vars(point) for point in entry.points], "span": span}
        with reported(f"can not write {self.path}"), self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")


def _read(lines: list[bytes]) -> Iterator[Entry]:
    """Yield the entries of a journal's lines up to the first that is none."""
    for line in lines:
        try:
            content = json.loads(line)
            points, span = [Point(**point) for point in content["points"]], content["span"]
            entry = Entry(content["rung"], content["settings"], points, None if span is None else Span(**span))
        except (ValueError, KeyError, TypeError):
            return
        if not line.endswith(b"\n"):
            return
        yield entry
