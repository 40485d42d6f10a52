"""Rows of tables in text: values parted by commas, semicolons, tabs or bars, and of parquet files.

The first line names the columns. What parts them is found by trying: what splits the first rows into equally many columns, the
most of them. Cells may be of any size and hold quotes, line breaks and delimiters, in quotes.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError
from .json_values import Row

DELIMITERS = (",", "\t", ";", "|")
NONE = "\x1f"  # parts nothing: the unit separator, which no text has
TRIED = 20  # rows
USUAL = frozenset(("prompt", "text", "label", "question", "goal", "subject", "target", "answer", "instruction"))
NAMED = frozenset(("comment", "comment_text", "sentence", "content", "labels", "toxic", "toxicity", "score", "request", "chosen",
                   "rejected", "target_new", "target_true", "ground_truth", "rephrase_prompt"))  # fmt: skip
ALSO = frozenset(("response", "output", "completion"))  # too common in prose to tell a table by
LABELS = frozenset(("0", "1", "0.0", "1.0"))
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # of the process; Python's own 131,072 is less than one long text


def rows(source: str, text: str, delimiter: str = "") -> Iterator[Row]:
    """Yield the rows of a table as mappings by column.

    Args:
        source: begins the complaints.
        text: of the table.
        delimiter: what parts columns; by default found.

    Raises:
        DataError: naming the line, for quotes that do not end and rows of another number of columns; for no rows at all.
    """
    if sep := re.match(r"sep=(.)\r?\n", text):  # Excel's own note
        delimiter, text = sep[1], "\n" + text[sep.end() :]
    delimiter = delimiter or delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    begin, rows_read = 1, 0
    try:
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            if not any(cell.strip() for cell in cells) and len(cells) != 1:  # an empty line, or Excel's at the end
                continue
            if header is None:
                if len(cells) == 2 and cells[1].strip() in LABELS:  # SST-2 names no columns
                    header = ["text", "label"]
                else:
                    header = small([name.strip() for name in cells])
                    _check(source, line, header)
                    continue
            if len(cells) != len(header):
                raise DataError(
                    f"{source}, line {line}: {len(cells)} columns, the header has {len(header)}",
                    why=f"Columns are parted by {_named(delimiter)}.",
                    fix=f"Put texts that hold {_named(delimiter)} in quotes.",
                )
            rows_read += 1
            yield Row(f"line {line}", dict(zip(header, cells, strict=True)))
    except csv.Error as problem:
        raise DataError(
            f"{source}, line {begin}: {problem}",
            why=f"The row ends at line {reader.line_num}." if reader.line_num > begin else "",
            fix='Correct the quoting: a quote inside of quotes is written twice, "".',
        ) from problem
    if header is not None and not rows_read:
        columns = ", ".join(name for name in header if name)
        raise DataError(
            f"{source} has a header and no rows", why=f"Its columns are {columns}.", fix="Give a row a line."
        )


def delimiter_of(text: str) -> str:
    """Return what parts the columns of a table: what gives each of its first rows as many as the header, the most of them.

    A header without any delimiter names one column: its texts are taken as they are, whatever stands in them.
    """
    header = next((line for line in text.splitlines() if line.strip()), "")
    if not any(delimiter in header for delimiter in DELIMITERS):
        return NONE
    counts = {delimiter: _columns(text, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    return best if counts[best] > 1 else max(DELIMITERS, key=header.count)  # of no use but for the complaint


def _columns(text: str, delimiter: str) -> int:
    """Return how many columns each of the first rows has; 0 when they differ, or a quote does not end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        counts = {len(cells) for cells in islice(reader, TRIED) if any(cell.strip() for cell in cells)}
    except csv.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0


def small(names: list[str]) -> list[str]:
    """Return the names of columns, usual ones in small letters: people write Prompt and Label in their tables."""
    return [name.casefold() if name.casefold() in (USUAL | NAMED | ALSO) - {*names} else name for name in names]


def _check(source: str, line: int, header: list[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(
            f"{source}, line {line}: two columns are called {twice[0]!r}", fix="Rename one of them, or remove it."
        )


def _named(delimiter: str) -> str:
    return {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}.get(delimiter, repr(delimiter))


def parquet_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a parquet file.

    Raises:
        UsageError: when the package that reads it is missing.
        DataError: when the file is damaged.
    """
    yield from (Row(f"record {number}", value) for number, value in enumerate(_parquet_values(path), 1))


def _parquet_values(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as problem:
        fix = "pip install 'suture[parquet]'"
        raise UsageError(f"{path} needs one more package", why="It is parquet.", fix=fix) from problem
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (ArrowException, OSError) as problem:
        why = str(problem).splitlines()[0]
        raise DataError(f"{path}: damaged parquet", why=why, fix="Fetch it again.") from problem
