"""The text of ids that arrive one by one, handed out as soon as it can no longer change.

Held back are bytes that do not make a character yet, and whatever may be the beginning of a stop string.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"  # what tokenizers write for bytes that are no character (yet)


class IncrementalDetokenizer:
    """One row's text.

    Args:
        decode: turns ids into text.
        stops: the text ends before the first of these.

    Attributes:
        ids: all that were said.
        stopped: whether a stop string came.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self.ids: list[int] = []
        self.stopped = False
        self._decode, self._stops = decode, tuple(stops)
        self._said = 0

    def hear(self, token: int) -> str:
        """Add an id and return the text that is new and final."""
        self.ids.append(token)
        text = self._cut(self._decode(self.ids))
        end = len(text)
        if not self.stopped:
            end = min([len(text.rstrip(UNFINISHED)), *(_open(text, stop) for stop in self._stops)])
        return self._out(text, end)

    def note(self, token: int) -> None:
        """Add an id without making text of it; for rows that are read once, at their end, and have no stop strings."""
        self.ids.append(token)

    def close(self) -> str:
        """Return the text that was held back."""
        text = self._cut(self._decode(self.ids))
        return self._out(text, len(text))

    def _cut(self, text: str) -> str:
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self.stopped = self.stopped or bool(places)
        return text[: min(places)] if places else text

    def _out(self, text: str, end: int) -> str:
        new = text[self._said : end]
        self._said = max(self._said, end)
        return new


def _open(text: str, stop: str) -> int:
    """Return where the longest end of a text begins that could become a stop string."""
    for size in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:size]):
            return len(text) - size
    return len(text)
