"""Rows of the files that users have, told by what a file holds and not by what it is called: the one door for all of them.

    JSON            a list, lines, one object, an object around a list, a table by columns (`json_values`)
    tables          comma, semicolon, tab, bar (`tables`); parquet
    plain text      a row a line
    hub:ID[:PART][@SPLIT]     a data set of the Hub; the split "train" when none is named

All of them also packed by gzip, in UTF-8, or in UTF-16 with a mark (`decoding`). Every complaint is a DataError that names the
file and the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from . import decoding, json_values, tables
from .json_values import Complain as Complain
from .json_values import Row as Row

HUB = "hub:"
TABLES = {".csv": "", ".tsv": "\t", ".tab": "\t", ".psv": "|"}  # ending -> delimiter; "": found
PLAIN = (".txt", ".text", ".md")
MARKUP = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".xml": "XML"}  # line by line they would be other texts
COLUMNS = tables.USUAL
LINE_END = re.compile(r"\r\n|\n|\r")  # as editors count lines; a text may hold Unicode's other ends of lines
MOST = 64  # columns looked at
FORM = '{"prompt": ..., "subject": ..., "target": ...}'
KNOWN = "jsonl, json, csv, tsv, txt, each also .gz; parquet; hub:ID"
Record = Mapping[str, Any]


def refuse(problem: DataError) -> None:
    """Complain by raising: the first mistake ends the reading."""
    raise problem


def rows(source: str | Path, bad: Complain = refuse) -> Iterator[Row]:
    """Yield the rows of a file or data set: texts, or mappings by key or column; empty lines are none.

    Args:
        source: a path, or "hub:ID", "hub:ID@SPLIT", "hub:ID:PART@SPLIT".
        bad: told of each mistake in JSON; then reading goes on behind it.

    Raises:
        DataError: when it can not be read, or nothing tells what it is.
        UsageError: when a package that reads it is missing.
    """
    if str(source).startswith(HUB):
        yield from hub_rows(str(source).removeprefix(HUB))
        return
    path = Path(source)
    if path.is_dir():
        raise DataError(f"{path} is a folder", why=f"Rows are read from files: {KNOWN}.", fix="Name a file in it.")
    content = decoding.unpacked(path)
    if content.startswith(decoding.PARQUET):
        yield from tables.parquet_rows(path)
        return
    text = decoding.decoded(path, content)
    ending = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if ending in TABLES and not _is_object(_first_line(text)):
        yield from tables.rows(str(path), text, TABLES[ending] if TABLES[ending] in _first_line(text) else "")
    elif (ending not in PLAIN and text.lstrip()[:1] in ("{", "[")) or (
        ending in PLAIN and (_is_object(_first_line(text)) or _is_json(text))
    ):
        yield from map(_small, json_values.values(str(path), text, bad))
    elif ending in (".json", ".jsonl", ".ndjson"):
        yield from map(_small, json_values.values(str(path), text, bad))
    elif ending in MARKUP:
        raise DataError(
            f"{path} is {MARKUP[ending]}", why=f"Read are {KNOWN}.", fix="Write it as JSON lines: an object a line."
        )
    elif not _is_table(text, known=2 if ending in PLAIN else 1):
        yield from (Row(f"line {n}", line) for n, line in enumerate(LINE_END.split(text), 1) if line.strip())
    else:
        yield from tables.rows(str(path), text)


def records(source: str | Path, bad: Complain = refuse, form: str = FORM) -> Iterator[tuple[str, Record]]:
    """Yield (place, record) of rows that are to be objects.

    Args:
        source: see `rows`.
        bad: told of each mistake, and of rows that are no objects; then reading goes on behind it.
        form: what is advised to write.
    """
    for place, value in rows(source, bad):
        if isinstance(value, Mapping):
            yield place, value
        else:
            bad(
                DataError(
                    f"{source}, {place}: not an object", why=described(value), fix=f"Write {form}, an object a line."
                )
            )


def text_of(record: Record, key: str, where: str) -> str:
    """Return the text below a key, without blanks around it.

    Raises:
        DataError: beginning with `where`, when there is none.
    """
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{where}, {key}: not a text", why=described(value), fix="Write one text, in quotes.")
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, {key}: no text", fix="Fill it in or remove the record.")
    return value.strip()


def described(record: Any) -> str:  # noqa: ANN401 - a value of a file
    """Return what a record has, for a complaint: its keys, or what it is instead of one."""
    if not isinstance(record, Mapping):
        return f"It is {_short(record)}."
    return f"It has {', '.join(map(str, record))}." if record else "It is empty."


def list_of(record: Record, key: str, where: str, *, needed: bool = False) -> list[Any]:
    """Return the list below a key; without that key an empty one, unless it is needed.

    Raises:
        DataError: beginning with `where`, when it is none.
    """
    listed = record.get(key, None if needed else [])
    if not isinstance(listed, list):
        raise DataError(f"{where}, {key}: not a list", fix="Write it in brackets.")
    return listed


def hub_rows(name: str) -> Iterator[Row]:
    """Yield the rows of a data set of the Hub, "ID", "ID@SPLIT" or "ID:PART@SPLIT".

    Raises:
        UsageError: when the package that reads it is missing, or there is no such data set or split.
    """
    try:
        import datasets
    except ImportError as problem:
        raise UsageError("reading Hub datasets needs one more package", fix="pip install 'suture[eval]'") from problem
    repository, _, split = name.partition("@")
    repository, _, part = repository.partition(":")
    try:
        rows = datasets.load_dataset(repository, part or None, split=split or "train")
    except (OSError, ValueError) as problem:  # what `datasets` raises for names, parts and splits that are not there
        why = (str(problem).strip() or repr(problem)).splitlines()[0]
        fix = "Check the name, the part (hub:ID:PART), the split (hub:ID@SPLIT) and the network."
        raise UsageError(f"no data set {repository!r} on the Hub", why=why, fix=fix) from problem
    yield from (Row(f"row {number}", row) for number, row in enumerate(rows, 1))


def plain_stem(source: str | Path) -> str:
    """Return the name of a file without its folder and endings: what it is called in reports."""
    path = Path(source)
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def _small(row: Row) -> Row:
    """Return a row whose usual keys are in small letters, as those of tables are."""
    if not isinstance(row.value, Mapping) or all(map(str.islower, row.value)):
        return row
    return Row(row.place, dict(zip(tables.small(list(row.value)), row.value.values(), strict=True)))


def _first_line(text: str) -> str:
    return next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")


def _is_object(line: str) -> bool:
    """Return whether a line is an object of JSON: what a text or the header of a table can not well be."""
    if not line.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_json(text: str) -> bool:
    """Return whether a text is one list of JSON with objects in it, or one object, over lines."""
    if not text.lstrip().startswith(("[", "{")):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) or any(isinstance(row, dict | list) for row in value)


def _is_table(text: str, known: int) -> bool:
    """Return whether a text whose name tells nothing is a table: its first line names columns, so many of which are known."""
    delimiter = tables.delimiter_of(text)
    cells = {cell.strip().strip('"').casefold() for cell in _first_line(text).split(delimiter)[:MOST]}
    return delimiter != tables.NONE and len(COLUMNS & cells) >= known


def _short(value: object) -> str:
    return {str: "a text", list: "a list", bool: "true or false", type(None): "null"}.get(type(value), "a number")
