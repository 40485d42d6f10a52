"""What a user wants a model to learn: requests with their answers, read from the files that instruction tuning uses.

Any chat of `conversation`: {"prompt", "answer"}, Alpaca, messages, ShareGPT ... Each answer in a conversation is one lesson,
whose request knows what was said before it. A row that is none is left out and told of, with its line; a file without any is
refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..io.rows import Row, described, rows
from ..io.unread import Unread
from .conversation import chat_of, exchanges, request
from .trees import KNOWN, is_reply, threads
from .turns import CHATS, FORM, is_chat, speaker, unpacked


@dataclass(frozen=True)
class Instruction:
    """A request and the answer to learn."""

    prompt: str
    answer: str

    @classmethod
    def load(cls, source: str | Path) -> list[Instruction]:
        """Read instructions from a file of rows; see `suture.io.rows` for the kinds of files.

        Raises:
            DataError: naming file and place, when there is nothing to learn in it.
        """
        unread = Unread(source)
        lessons = [cls(*exchange) for exchange in _exchanges(list(rows(source)), str(source), unread)]
        if not lessons and unread.mistakes:
            first = unread.mistakes[0]
            more = f"; {len(unread.mistakes) - 1} more can not be used" if len(unread.mistakes) > 1 else ""
            raise DataError(f"{first.what}{more}", why=first.why, fix=first.fix)
        unread.tell()
        if not lessons and unread.rows:
            raise DataError(
                f"{source} holds nothing to learn", why="All its answers have weight 0.", fix=f"Write {FORM}."
            )
        if not lessons:
            raise DataError(f"{source} is empty", fix=f"Write {FORM}, a line each.")
        return lessons


def summary(instructions: Sequence[Instruction]) -> dict[str, Any]:
    """Return number and SHA-256 of instructions, for a patch's provenance."""
    return {
        "count": len(instructions),
        "sha256": hashlib.sha256(json.dumps([asdict(e) for e in instructions]).encode()).hexdigest(),
    }


def _exchanges(listed: Sequence[Row], source: str, unread: Unread) -> Iterator[tuple[str, str]]:
    """Yield the requests with their answers of a file; rows that hold none are left out, with their mistakes."""
    if listed and all(is_reply(row.value) for row in listed):
        for _, row, turns in threads(listed, source):
            unread.see(row, KNOWN)
            if turns[-1][0] == "assistant" and len(turns) > 1:
                yield request(turns[:-1]), turns[-1][1]
        return
    for place, row in listed:
        try:
            yield from _of_row(row, f"{source}, {place}", unread)
        except DataError as problem:
            unread.rows += 1
            unread.mistakes.append(problem)


def _of_row(row: Any, where: str, unread: Unread) -> list[tuple[str, str]]:  # noqa: ANN401 - a row of a file
    chat = chat_of(row, where)
    if chat is None:
        raise DataError(f"{where}: no request or no answer", why=described(row), fix=f"Write {FORM}.")
    turns, used = chat
    silent = _not_learnt(unpacked(row) if isinstance(row, Mapping) else row)
    answers = exchanges(turns, where, silent)
    unread.see(row, used)
    if silent:
        unread.left_out["answers of weight 0"] += len(silent)
    return answers


def _not_learnt(row: Any) -> frozenset[int]:  # noqa: ANN401 - a row of a file
    """Return which answers of a chat are said not to be learnt (OpenAI's "weight": 0, axolotl's "train"), from its end."""
    chat = row if is_chat(row) else next((row[key] for key in CHATS if is_chat(row.get(key))), ())
    return frozenset(
        index - len(chat)
        for index, message in enumerate(chat)
        if message.get("weight") == 0 or message.get("train") is False or message.get("training") is False
        if speaker(message) == "assistant"
    )
