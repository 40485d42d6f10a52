"""What a file holds that a reader does not use: said once for each file, so that no figure is of less than was given unseen.

Each reader names the keys it knows: those it uses, and such as bear nothing it could use (ids, categories, answers where
only prompts are read). Every other key with words in it is counted; `tell` logs one line a file, which the command line
prints and keeps for its reports.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DataError
from .mistakes import told_once

log = logging.getLogger(__name__)
ABOUT = frozenset(  # of a row, whatever it holds: which it is, where it is from, of what sort
    "id uid index idx number source split category subcategory tags type lang language date url license author version level"
    " filename case_id".split()
)
SHOWN = 20  # sorts of mistakes that are told
Row = TypeVar("Row")


class Unread:
    """Counts, over the rows of one file, the keys with words in them that nobody uses.

    Args:
        source: the file, as it is named in the line.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = str(source)
        self.rows = 0
        self.left_out: Counter[str] = Counter()  # rows that a reader could not use, by why
        self.found: Counter[str] = Counter()
        self.elsewhere: Counter[str] = Counter()  # keys that another option reads
        self.mistakes: list[DataError] = []  # of rows that are left out

    def see(self, row: object, known: Collection[str], inside: str = "") -> None:
        """Count the keys of a row that are not among those known; what is no object has none.

        Args:
            row: of the file, or an object in one.
            known: keys, in any capitals and with "_" or " " between their words.
            inside: the key under which the object stands, for the line.
        """
        self.rows += not inside
        if isinstance(row, Mapping):
            plain = {_plain(key) for key in (*known, *ABOUT, "")}
            for key, value in row.items():
                if _plain(key) not in plain and _has_words(value):
                    self.found[f"{inside}: {key}" if inside else str(key)] += 1

    def see_elsewhere(self, row: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Count keys of a row that another option reads."""
        self.elsewhere.update(key for key in keys if _has_words(row.get(key)))

    def seen(self, rows: Iterable[tuple[str, Row]], known: Collection[str]) -> Iterator[tuple[str, Row]]:
        """Yield (place, row) as they come, each seen."""
        for line, row in rows:
            self.see(row, known)
            yield line, row

    def tell(self) -> None:
        """Log what was found, a line each."""
        for line in told_once(self.mistakes, self.source)[:SHOWN]:
            log.warning("left out: %s", line)
        if self.mistakes:
            log.warning("%s: left out, of %d rows: %d that can not be used", self.source, self.rows, len(self.mistakes))
        if self.left_out:
            reasons = ", ".join(f"{count} {why}" for why, count in self.left_out.items())
            log.warning("%s: left out, of %d rows: %s", self.source, self.rows, reasons)
        if self.elsewhere:
            keys = ", ".join(f"{key!r} ({count})" for key, count in self.elsewhere.items())
            log.warning(
                "%s: not asked here, of %d rows: %s; `suture eval --ripples` asks it", self.source, self.rows, keys
            )
        if self.found:
            keys = ", ".join(f"{key!r} ({count})" for key, count in self.found.items())
            log.warning("%s: not used, of %d rows: %s", self.source, self.rows, keys)


def left_out(source: str, record: Mapping[str, Any], rows: str) -> None:
    """Log the keys with words in them that stand beside the rows of a file, under which nothing is read."""
    if beside := [key for key, value in record.items() if key != rows and _has_words(value)]:
        log.warning("%s: not used, beside %r: %s", source, rows, ", ".join(map(repr, beside)))


def hear(hand_on: Callable[[str], None]) -> None:
    """Have each line that is told from now on given to one listener: the command line's console."""
    for before in [handler for handler in log.handlers if isinstance(handler, Listener)]:
        log.removeHandler(before)
    log.addHandler(Listener(hand_on))


class Listener(logging.Handler):
    """Hands lines on."""

    def __init__(self, hand_on: Callable[[str], None]) -> None:
        super().__init__()
        self.hand_on = hand_on

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a line on."""
        self.hand_on(record.getMessage())


def _plain(key: object) -> str:
    return "".join(char for char in str(key).casefold() if char.isalnum())


def _has_words(value: object) -> bool:
    """Return whether a value is a text with a letter in it, or holds one."""
    if isinstance(value, str):
        return any(char.isalpha() for char in value)
    if isinstance(value, Mapping):
        return any(map(_has_words, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_words, value))
