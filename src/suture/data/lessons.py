"""What a user wants a model to learn: requests with their answers, read from the files that instruction tuning uses.

Any chat of `conversation`: {"prompt", "answer"}, Alpaca, messages, ShareGPT ... Each answer in a conversation is one lesson,
whose request knows what was said before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..io.rows import described, rows
from ..io.unread import Unread
from .conversation import FORM, chat_of, exchanges


@dataclass(frozen=True)
class Instruction:
    """A request and the answer to learn."""

    prompt: str
    answer: str

    @classmethod
    def load(cls, source: str | Path) -> list[Instruction]:
        """Read instructions from a file of rows; see `suture.io.rows` for the kinds of files.

        Raises:
            DataError: naming file and place.
        """
        unread = Unread(source)
        lessons = [lesson for place, row in rows(source) for lesson in _of_row(row, f"{source}, {place}", unread, cls)]
        unread.tell()
        if not lessons:
            raise DataError(f"{source} is empty", fix=f"Write {FORM}, a line each.")
        return lessons


def summary(instructions: Sequence[Instruction]) -> dict[str, Any]:
    """Return number and SHA-256 of instructions, for a patch's provenance."""
    return {
        "count": len(instructions),
        "sha256": hashlib.sha256(json.dumps([asdict(e) for e in instructions]).encode()).hexdigest(),
    }


def _of_row(row: Any, where: str, unread: Unread, kind: type[Instruction]) -> Iterator[Instruction]:  # noqa: ANN401
    chat = chat_of(row, where)
    if chat is None:
        raise DataError(f"{where}: no request or no answer", why=described(row), fix=f"Write {FORM}.")
    turns, used = chat
    unread.see(row, used)
    yield from (kind(prompt, answer) for prompt, answer in exchanges(turns, where))
