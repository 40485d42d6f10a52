"""Standard output and error without secrets, whoever writes there: the console, logs, warnings, tracebacks, other libraries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..text.redact import hidden

if TYPE_CHECKING:
    from typing import TextIO


class Redacted:
    """A stream that hides secrets in what is written to it, a writing at a time; everything else is the stream's own.

    Args:
        stream: what is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets; returns its length as it was given."""
        self._stream.write(hidden(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)


@contextmanager
def redacted() -> Iterator[None]:
    """Hide secrets in what is written to standard output and error, until the block is left."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Redacted(before[0]), Redacted(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
