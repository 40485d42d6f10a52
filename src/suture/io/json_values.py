"""The values that a JSON text holds, each with its place: a list, lines, or one object; read on after a mistake.

[v, v, ..]                    the elements of the list
v v ..                        the values, one behind the other: JSON lines, whatever the file is called
{"data": [v, v, ..], ..}      the elements of the one list that an object wraps; so do "rows", "examples" ...
{"a": [1, 2], "b": [3, 4]}    a table by columns: objects {"a": 1, "b": 3}, {"a": 2, "b": 4}; also as pandas writes it
{"index": 0, "columns": ..., "data": [[1, 3], ..]}     the same by rows ("split" of pandas)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import DataError
from .unread import left_out

Complain = Callable[[DataError], None]
WRAPPERS = ("data", "rows", "records", "examples", "instances", "items", "train", "validation", "test", "dataset", "facts",
            "prompts", "jailbreaks")  # fmt: skip
RECORD = frozenset(("prompt_templates", "samples"))  # lists of one record: of a relation with its facts
SPLIT = frozenset(("columns", "index", "data"))  # of pandas' `orient="split"`
BLANK = re.compile(r"[ \t\r\n\ufeff]*")
BETWEEN = re.compile(r"[ \t\r\n,\ufeff]*")  # lines that end with a comma are lines all the same
OPENS = re.compile(r"\n[ \t,\[]*(?=\{)")
ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
DECODER = json.JSONDecoder()


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        place: where it begins: "line 3", or "record 2 (line 1, column 118)" where its line holds several.
        value: a text, or a mapping by column or key.
    """

    place: str
    value: Any


def values(source: str, text: str, bad: Complain) -> Iterator[Row]:
    """Yield the values of a JSON text.

    Args:
        source: of it, begins the complaints.
        text: of the file.
        bad: told of each mistake, with line and column; then reading goes on at the next line that opens an object.
    """
    begin = _end(BLANK, text, 0)
    if text.startswith("[", begin):
        try:
            listed, end = DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            listed, end = None, begin  # found below, with its place
        behind = _end(BETWEEN, text, end)
        if listed is not None and behind < len(text):  # lists in lines
            yield from _sequence(source, text, begin, bad)
        else:
            yield from _sequence(source, text, begin + 1, bad, closes=True)
        return
    rows = _sequence(source, text, begin, bad)
    first, second = next(rows, None), next(rows, None)
    if first is None:
        return
    if second is None and isinstance(first.value, Mapping):
        yield from _unwrapped(source, text, first)
        return
    yield first
    if second is not None:
        yield second
    yield from rows


def _sequence(source: str, text: str, at: int, bad: Complain, *, closes: bool = False) -> Iterator[Row]:
    """Yield values that follow one another, the elements of a list among them."""
    number, line, counted = 0, 1, 0
    previous = 0  # the line on which the last value began
    while True:
        at = _end(BETWEEN, text, at)
        line += text.count("\n", counted, at)
        counted = at
        if at == len(text):
            if closes:
                row, column = position(text, at)
                why = "The list does not end: its closing ] is missing."
                bad(DataError(f"{source}, line {row}, column {column}: not JSON", why=why, fix="Fetch the file again."))
            return
        if closes and text[at] == "]":
            behind = _end(BLANK, text, at + 1)
            if behind < len(text):
                row, column = position(text, behind)
                bad(DataError(f"{source}, line {row}, column {column}: text behind the list", fix="Remove it."))
            return
        number += 1
        begin = at
        try:
            value, at = DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError) as problem:
            mistake = _unclosed(text, begin, getattr(problem, "pos", begin))
            bad(_no_json(source, text, mistake, problem))
            opens = OPENS.search(text, mistake)
            at = opens.end() if opens else len(text)
            closes = closes and opens is not None
            continue
        if half := half_character(source, text, begin, at):
            bad(half)
            continue
        alone = line > previous and not _shared(text, begin, at)
        column = begin - text.rfind("\n", 0, begin)
        yield Row(f"line {line}" if alone else f"record {number} (line {line}, column {column})", value)
        previous = line


def _shared(text: str, begin: int, end: int) -> bool:
    """Return whether the next value begins on the line on which this one does."""
    behind = _end(BETWEEN, text, end)
    return behind < len(text) and text[behind] != "]" and "\n" not in text[begin:behind]


def _unwrapped(source: str, text: str, only: Row) -> Iterator[Row]:
    """Yield what the one object of a file holds: its rows where it is a table or wraps a list, else itself."""
    record: Mapping[str, Any] = only.value
    if set(record) >= {"columns", "data"} and set(record) <= SPLIT and _lists(record["data"]):
        for number, row in enumerate(record["data"], 1):
            if len(row) != len(record["columns"]):
                why = f"It has {len(row)} values, and there are {len(record['columns'])} columns."
                raise DataError(f"{source}, record {number}: not a row", why=why, fix="Write the table again.")
        yield from _numbered(dict(zip(record["columns"], row, strict=True)) for row in record["data"])
        return
    wrapping = [key for key in WRAPPERS if _rows(record.get(key))]
    if len(wrapping) > 1:
        names = ", ".join(wrapping)
        raise DataError(
            f"{source} holds several lists: {names}", fix="Write the one that is meant in a file of its own."
        )
    if wrapping:
        opening = re.compile(rf'"{wrapping[0]}"\s*:\s*\[').search(text)
        rows = list(_sequence(source, text, opening.end(), _quiet)) if opening else []
        listed = record[wrapping[0]]
        whole = rows[: len(listed)]
        rows = whole if [row.value for row in whole] == listed else list(_numbered(listed))
        left_out(source, record, wrapping[0])
        if all(isinstance(row.value, Mapping) and isinstance(row.value.get("row"), Mapping) for row in rows):
            rows = [Row(place, value["row"]) for place, value in rows]  # as the Hub's viewer hands them out
        yield from rows
        return
    if record and all(key.isdigit() and isinstance(row, Mapping) for key, row in record.items()):
        yield from _numbered(record.values())  # rows by their numbers: pandas' `orient="index"`
        return
    if columns := _columns(record):
        yield from _numbered(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return
    yield only


def _columns(record: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a table that is written by columns, each a list or an object by index; {} for no table."""
    held = list(record.values())
    if set(record) >= RECORD:
        return {}
    if held and all(isinstance(column, Mapping) and column for column in held):
        indexes = [list(column) for column in held]
        if all(index.isdigit() for index in indexes[0]) and all(index == indexes[0] for index in indexes):
            return {key: list(column.values()) for key, column in record.items()}
    if not held or not all(isinstance(column, list) and column for column in held) or len({*map(len, held)}) > 1:
        return {}
    if len(held) == 1:  # of one record a list would hold objects
        return dict(record) if all(isinstance(cell, str | list) for cell in held[0]) else {}
    chats = any(isinstance(column[0], Mapping) and {"role", "from"} & set(column[0]) for column in held)
    scalar = any(not isinstance(column[0], Mapping | list) for column in held)
    return dict(record) if scalar and not chats else {}


def _numbered(values: Iterable[Any]) -> Iterator[Row]:
    yield from (Row(f"record {number}", value) for number, value in enumerate(values, 1))


def _rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping | str) for row in value)


def _lists(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def _quiet(problem: DataError) -> None:
    """Leave out what the list's own end looks like from inside: the whole was read before."""


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    blank = pattern.match(text, at)
    return blank.end() if blank else at


def _no_json(source: str, text: str, at: int, problem: Exception) -> DataError:
    line, column = position(text, at)
    if isinstance(problem, RecursionError):
        why = "It is nested too deep."
    else:
        why = str(problem) if at == getattr(problem, "pos", at) else "The record does not end."
    return DataError(f"{source}, line {line}, column {column}: not JSON", why=why, fix="Correct or remove it.")


def _unclosed(text: str, begin: int, at: int) -> int:
    """Return where a mistake is: where the parser stopped, or the end of a record that was left open."""
    start = text.rfind("\n", 0, at) + 1
    if start > begin and text[at : at + 1] in ("{", "") and not text[start:at].strip():
        return len(text[:start].rstrip())
    return at


def position(text: str, at: int) -> tuple[int, int]:
    """Return line and column of a place in a text, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def half_character(source: str, text: str, start: int = 0, end: int | None = None) -> DataError | None:
    """Return the complaint about half a character that JSON escapes can leave alone; None where all are whole.

    No encoding can write it and no tokenizer takes it. All readers of JSON ask here.

    Args:
        source: of the text, begins the complaint.
        text: as it stands in the file.
        start: where to begin.
        end: where to stop; by default the end.
    """
    for escape in ESCAPES.finditer(text, start, len(text) if end is None else end):
        if escape["half"]:
            line, column = position(text, escape.start())
            why = f"{escape[0]} is one half of a surrogate pair, which no text can hold."
            fix = "Write the whole character or remove it."
            return DataError(f"{source}, line {line}, column {column}: half a character", why=why, fix=fix)
    return None
