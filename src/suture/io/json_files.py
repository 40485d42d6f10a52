"""Plain values as JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DataError
from .files import read_text, write_text


def write_json(value: Any, path: Path) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write a value, whole or not at all, with secrets hidden."""
    write_text(path, json.dumps(value))


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Read a value.

    Raises:
        DataError: when there is no such file, or it is no JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as problem:
        raise DataError(f"{path} is no JSON", why=str(problem), fix="Make it again.") from problem
