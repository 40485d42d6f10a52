"""Tables of words and texts that stand beside the code: rows of a .jsonl file of the package, in their order.

    {"part": "QUESTIONS", "of": "capital", "text": "What is the capital of {s}?"}

A row says which table it belongs to, perhaps of what it is, and the text. Draws at random depend on the order, so rows are never
sorted, and new ones change every draw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file of the package, a line each, in order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Tables:
    """The tables of one file.

    Attributes:
        path: of the .jsonl file.
        parts: name of a table -> its rows, each what it is of ("" for nothing) and its text.
    """

    path: Path
    parts: dict[str, list[tuple[str, str]]]

    @classmethod
    def beside(cls, module: str, name: str) -> Tables:
        """Return the tables of NAME.jsonl in the folder of a module, which is told by its `__file__`."""
        return cls.read(Path(module).with_name(f"{name}.jsonl"))

    @classmethod
    def read(cls, path: Path) -> Tables:
        """Return the tables of a file."""
        parts: dict[str, list[tuple[str, str]]] = {}
        for row in records(path):
            parts.setdefault(row["part"], []).append((row.get("of", ""), row["text"]))
        return cls(path, parts)

    def pairs(self, part: str) -> list[tuple[str, str]]:
        """Return the rows of a table: what each is of, and its text.

        Raises:
            AssertionError: for a table without rows, which is a mistake in the file.
        """
        assert part in self.parts, f"no rows of {part!r} in {self.path.name}"
        return self.parts[part]

    def texts(self, part: str) -> tuple[str, ...]:
        """Return the texts of a table."""
        return tuple(text for _, text in self.pairs(part))

    def grouped(self, part: str) -> dict[str, tuple[str, ...]]:
        """Return the texts of a table by what they are of, both in the order of their first rows."""
        groups: dict[str, tuple[str, ...]] = {}
        for of, text in self.pairs(part):
            groups[of] = (*groups.get(of, ()), text)
        return groups

    def nested(self, part: str) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the texts of a table whose rows are of "GROUP FIELD": of each group its fields."""
        groups: dict[str, dict[str, tuple[str, ...]]] = {}
        for of, texts in self.grouped(part).items():
            group, _, field = of.partition(" ")
            groups.setdefault(group, {})[field] = texts
        return groups
