"""What a user wants a model to learn: requests with their answers, read from the files that instruction tuning uses.

{"prompt" | "question" | "instruction" (+ "input"), "answer" | "response" | "output" | "completion"}     a line each, or a list
{"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}                  one exchange
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, MissingFile
from ..io.file_rows import json_rows, jsonl_rows
from ..io.unread import Unread

ASKED = ("prompt", "question", "instruction")
ANSWERED = ("answer", "response", "output", "completion")


@dataclass(frozen=True)
class Instruction:
    """A request and the answer to learn."""

    prompt: str
    answer: str

    @classmethod
    def load(cls, source: str | Path) -> list[Instruction]:
        """Read instructions from a .jsonl or .json file.

        Raises:
            DataError: naming file and line.
        """
        path = Path(source)
        readers = {".jsonl": jsonl_rows, ".json": json_rows}
        if path.suffix not in readers:
            raise DataError(f"can not tell what {source} is", why="Known: .jsonl and .json.", fix="Convert it.")
        if not path.is_file():
            raise MissingFile(f"no file {path}", fix="Check the path.")
        unread = Unread(source)
        instructions = []
        for line, row in readers[path.suffix](path):
            instructions.append(_instruction(row, f"{source}, line {line}"))
            unread.see(row, _used_keys(row))
        unread.tell()
        if not instructions:
            raise DataError(f"{source} is empty", fix='Write {"prompt": ..., "answer": ...}, a line each.')
        return instructions


def summary(instructions: Sequence[Instruction]) -> dict[str, Any]:
    """Return number and SHA-256 of instructions, for a patch's provenance."""
    return {
        "count": len(instructions),
        "sha256": hashlib.sha256(json.dumps([asdict(e) for e in instructions]).encode()).hexdigest(),
    }


def _used_keys(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of a row that an instruction is made of."""
    if "messages" in row:
        return ("messages",)
    return ("input", *(next(name for name in names if name in row) for names in (ASKED, ANSWERED)))


def _instruction(row: Any, where: str) -> Instruction:  # noqa: ANN401 - a row of a file
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: not an object", fix='Write {"prompt": ..., "answer": ...}.')
    if "messages" in row:
        return _exchange(row["messages"], where)
    request = next((row[name] for name in ASKED if name in row), None)
    answer = next((row[name] for name in ANSWERED if name in row), None)
    if row.get("input"):
        request = f"{request}\n{row['input']}"
    if not isinstance(request, str) or not isinstance(answer, str) or not request.strip() or not answer.strip():
        raise DataError(
            f"{where}: no request or no answer",
            why=f"It has {', '.join(map(str, row))}.",
            fix='Write {"prompt": ..., "answer": ...}, both texts.',
        )
    return Instruction(request, answer)


def _exchange(messages: Any, where: str) -> Instruction:  # noqa: ANN401 - a cell of a file
    turns = (
        [(m.get("role"), m.get("content")) for m in messages if isinstance(m, Mapping)]
        if isinstance(messages, list)
        else []
    )
    if [role for role, _ in turns] != ["user", "assistant"] or not all(
        isinstance(text, str) and text for _, text in turns
    ):
        raise DataError(f"{where}: not one exchange", fix="Give one message of the user and one of the assistant.")
    return Instruction(str(turns[0][1]), str(turns[1][1]))
