"""Rows of the files that users have, with their lines: text, JSON, JSON lines, CSV, TSV, and datasets of the Hub.

Every complaint is a DataError that names the file, the line and the column.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from .system import PATH, reported

ESCAPES = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)


def json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (number, element) of a JSON list."""
    text = "".join(line for _, line in lines(path))
    try:
        rows = json.loads(text)
    except ValueError as problem:
        where = f"line {getattr(problem, 'lineno', 1)}, column {getattr(problem, 'colno', 1)}"
        raise DataError(f"{path}, {where}: not JSON", why=str(problem), fix="Correct the file.") from problem
    if half := half_character(path, text):
        raise half
    if not isinstance(rows, list):
        raise DataError(f"{path}: not a list", fix="Write a list of texts or of objects.")
    yield from enumerate(rows, 1)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a text file, as it is read."""
    try:
        with (
            reported(f"can not read {path}", fix=PATH, kind=DataError),
            path.open(encoding="utf-8-sig", newline="") as stream,
        ):
            yield from enumerate(stream, 1)
    except UnicodeDecodeError as problem:
        raise DataError(f"{path} is not UTF-8 text", why=str(problem), fix="Convert it: iconv -t utf-8") from problem


def half_character(path: Path, text: str, start: int = 0, end: int | None = None, line: int = 1) -> DataError | None:
    """Return the complaint about half a character that JSON escapes can leave alone; None where all are whole.

    No encoding can write it and no tokenizer takes it. All readers of JSON ask here.

    Args:
        path: of the file.
        text: of it, as it stands there.
        start: where to begin.
        end: where to stop; by default the end.
        line: number of the text's first line.
    """
    for escape in ESCAPES.finditer(text, start, len(text) if end is None else end):
        if escape["half"]:
            at = escape.start()
            place = f"line {line + text.count(chr(10), 0, at)}, column {at - text.rfind(chr(10), 0, at)}"
            why = f"{escape[0]} is one half of a surrogate pair, which no text can hold."
            return DataError(
                f"{path}, {place}: half a character", why=why, fix="Write the whole character or remove it."
            )
    return None


def jsonl_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, object) of a file with a JSON object a line; empty lines are left out."""
    for number, line in lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as problem:
            column = getattr(problem, "colno", 1)
            raise DataError(
                f"{path}, line {number}, column {column}: not JSON", why=str(problem), fix="Correct or remove the line."
            ) from problem
        if half := half_character(path, line, line=number):
            raise half
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: not an object", fix='Write {"text": ..., "label": 0 or 1}.')
        yield number, row


def csv_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, row by column) of a file whose first line names the columns."""
    reader = csv.reader((line for _, line in lines(path)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for row in reader:
            if not row:
                continue
            if header is None:
                header = row
                if delimiter == "\t" and len(row) == 2 and row[1].strip() in {"0", "1"}:  # SST-2: no header
                    header = ["text", "label"]
                    yield reader.line_num, dict(zip(header, row, strict=True))
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} columns, the header has {len(header)}",
                    fix="Put texts with commas in quotes.",
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as problem:
        raise DataError(f"{path}, line {reader.line_num}: {problem}", fix="Correct the quoting.") from problem


def tsv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (line, row by column) of a file whose columns are parted by tabs; SST-2 names none."""
    return csv_rows(path, "\t")


def hub_rows(name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (number, row) of a dataset of the Hub, "NAME" or "NAME@split"."""
    try:
        import datasets
    except ImportError as problem:
        raise UsageError("reading Hub datasets needs one more package", fix="pip install 'suture[eval]'") from problem
    repository, _, split = name.partition("@")
    yield from enumerate(datasets.load_dataset(repository, split=split or "train"), 1)
