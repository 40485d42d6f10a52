"""Labelled texts in the rows of a file: which column holds the text, which the label, and which label is the unwanted one.

Every complaint names the file, the line and the column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import DataError
from ..io.unread import Unread
from .examples import Labelled

WANTED = frozenset({"0", "false", "no", "wanted", "safe", "non-toxic", "nontoxic", "not toxic", "negative class"})
UNWANTED = frozenset({"1", "true", "yes", "unwanted", "unsafe", "toxic"})
TEXT_COLUMNS = ("text", "response", "comment_text", "sentence", "content")
LABEL_COLUMNS = ("label", "is_toxic", "toxic", "unwanted", "class")


def labelled(
    rows: Iterator[tuple[int, Mapping[str, Any]]],
    source: str,
    text: str | None,
    label: str | None,
    unwanted: str | None,
) -> Iterator[Labelled]:
    """Yield the labelled text of each row; what rows hold besides is told of.

    Args:
        rows: (line, row) of a file.
        source: begins the complaints.
        text: name of the text's column; by default one of TEXT_COLUMNS.
        label: name of the label's column; by default one of LABEL_COLUMNS.
        unwanted: the label that means unwanted; by default one of UNWANTED.

    Raises:
        DataError: naming file, line and column.
    """
    any_row, unread = False, Unread(source)
    for line, row in rows:
        any_row = True
        text_key = _column(row, text, TEXT_COLUMNS, "text", source, line)
        label_key = _column(row, label, LABEL_COLUMNS, "label", source, line)
        content, prompt = row[text_key], row.get("prompt")
        if not isinstance(content, str) or not content.strip():
            raise DataError(f"{source}, line {line}, {text_key}: no text", fix="Fill it in or remove the line.")
        if prompt is not None and not isinstance(prompt, str):
            raise DataError(f"{source}, line {line}, prompt: not a text", fix="Make it a string or remove it.")
        unread.see(row, {text_key, label_key, "prompt", *LABEL_COLUMNS})
        yield Labelled(content, _label(row[label_key], unwanted, f"{source}, line {line}, {label_key}"), prompt or None)
    if not any_row:
        raise DataError(f"{source} is empty", fix="Give labelled texts, a line each.")
    unread.tell()


def _column(
    row: Mapping[str, Any], column: str | None, usual: tuple[str, ...], what: str, source: str, line: int
) -> str:
    for name in (column,) if column else usual:
        if name in row:
            return name
    raise DataError(
        f"{source}, line {line}: no column {column!r}" if column else f"{source}, line {line}: no {what} column",
        why=f"It has {', '.join(map(str, row))}.",
        fix=f"Name the {what} column: `{what}=NAME`",
    )


def _label(value: Any, unwanted: str | None, where: str) -> int:  # noqa: ANN401 - a cell of a file
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())  # not NaN, and not infinite
    word = str(int(value) if whole else value).strip().lower()
    if unwanted is not None:
        return int(word == unwanted.strip().lower())
    if word in UNWANTED:
        return 1
    if word in WANTED:
        return 0
    raise DataError(
        f"{where}: {value!r} is not a label",
        why="Known: 0 and 1, true and false.",
        fix="Name the unwanted one: `unwanted=VALUE`",
    )
