"""Records of JSON with their lines: a record a line, a list of records, or one; read on after a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .file_rows import half_character, lines

FORM = '{"prompt": ..., "subject": ..., "target": ...}'
Record = Mapping[str, Any]
Complain = Callable[[DataError], None]


def refuse(problem: DataError) -> None:
    """Complain by raising: the first mistake ends the reading."""
    raise problem


def records(path: Path, bad: Complain, form: str = FORM) -> Iterator[tuple[int, Record]]:
    """Yield (line, record) of lines of JSON, a list of records, or one record.

    Args:
        path: of the file.
        bad: told of each mistake, with line and column; then reading goes on at the next line that opens a record.
        form: what is advised to write.

    Raises:
        DataError: when the file can not be read as text.
    """
    text, decoder, at, line, begun = "".join(line for _, line in lines(path)), json.JSONDecoder(), 0, 1, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,[]":  # between records; brackets of a list around them
            at += 1
        line += text.count("\n", begun, at)
        begun = at
        if at == len(text):
            return
        try:
            record, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as problem:
            place = _find_mistake(text, begun, getattr(problem, "pos", begun))
            row, column = text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)
            why = str(problem) if place == getattr(problem, "pos", place) else "The record does not end."
            bad(DataError(f"{path}, line {row}, column {column}: not JSON", why=why, fix="Correct or remove it."))
            opened = re.compile(r"\n[ \t,\[]*(?=\{)").search(text, place)
            at = opened.end() if opened else len(text)
            continue
        if half := half_character(path, text, begun, at):
            bad(half)
        elif isinstance(record, dict):
            yield line, record
        else:
            column = begun - text.rfind("\n", 0, begun)
            bad(DataError(f"{path}, line {line}, column {column}: not an object", fix=f"Write {form}"))


def text_of(record: Record, key: str, where: str) -> str:
    """Return the text below a key, without blanks around it.

    Raises:
        DataError: beginning with `where`, when there is none.
    """
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, {key}: no text", fix="Fill it in or remove the record.")
    return value.strip()


def list_of(record: Record, key: str, where: str, *, needed: bool = False) -> list[Any]:
    """Return the list below a key; without that key an empty one, unless it is needed.

    Raises:
        DataError: beginning with `where`, when it is none.
    """
    value = record.get(key, None if needed else [])
    if not isinstance(value, list):
        raise DataError(f"{where}, {key}: not a list", fix="Write it in brackets.")
    return value


def _find_mistake(text: str, begun: int, place: int) -> int:
    """Return where a mistake is: where the parser stopped, or the end of a record that was left open."""
    start = text.rfind("\n", 0, place) + 1
    if start > begun and text[place : place + 1] in ("{", "") and not text[start:place].strip():
        return len(text[:start].rstrip())
    return place
