"""Long texts in windows that a model can read: every token is predicted once, from the tokens before it that fit.

Each window after the first begins with half of the one before it, from which nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.lm import LM
from ..model.run.context import context


@dataclass(frozen=True)
class Window:
    """A part of a text.

    Attributes:
        text: number of the text.
        ids: what is read.
        first: the first token of it that is counted; those before it were counted already.
        begin: where that one stands in the text.
    """

    text: int
    ids: list[int]
    first: int
    begin: int


def windows(lm: LM, rows: Sequence[Sequence[int]]) -> list[Window]:
    """Return the windows of texts, in order; a text that the model can read whole has one.

    Args:
        lm: the model.
        rows: ids of each text.
    """
    limit = context(lm)
    return [window for number, ids in enumerate(rows) for window in _of(number, list(ids), limit, lm)]


def _of(number: int, ids: list[int], limit: int | None, lm: LM) -> Iterator[Window]:
    if limit is None or len(ids) <= limit:
        yield Window(number, ids, 0, 0)
        return
    yield Window(number, ids[:limit], 0, 0)
    start = ids[:1] if ids[0] == lm.tokenizer.bos_token_id else []
    seen, done = max(1, (limit - len(start)) // 2), limit  # tokens read again, and tokens counted
    while done < len(ids):
        part = start + ids[done - seen : done + limit - len(start) - seen]
        yield Window(number, part, len(start) + seen, done)
        done += len(part) - len(start) - seen
