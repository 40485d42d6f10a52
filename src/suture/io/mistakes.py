"""Mistakes of one file that are alike, told once: the first with its place, and how many more there are and where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import DataError

PLACE = re.compile(r"(?P<place>(?:line|record) \d+(?: \(line \d+(?:, column \d+)?\))?)(?P<rest>.*)", re.DOTALL)
SHOWN = 5  # places of mistakes that are alike


def told_once(problems: Iterable[DataError], source: str | Path) -> list[str]:
    """Return a line for each sort of mistake, in the order of the first of it.

    Args:
        problems: of one file; what begins with the file and a place is compared without them.
        source: the file.
    """
    sorts: dict[tuple[str, str], list[tuple[str, DataError]]] = {}
    for problem in problems:
        match = PLACE.fullmatch(problem.what.removeprefix(f"{source}, "))
        place, rest = (match["place"], match["rest"]) if match else ("", problem.what)
        sorts.setdefault((rest, problem.why), []).append((place, problem))
    lines = []
    for (_, first), *others in sorts.values():
        line = f"{first.what}. {first.why}".rstrip()
        if others:
            places = ", ".join(place or "the same place" for place, _ in others[:SHOWN])
            line = f"{line} So {'is 1' if len(others) == 1 else f'are {len(others)}'} more: {places}"
            line += ", ..." if len(others) > SHOWN else "."
        lines.append(line)
    return lines
