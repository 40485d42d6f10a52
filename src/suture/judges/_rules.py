r"""The rules of a judge: rows of a .jsonl file beside it, a pattern a row, with texts it must find and texts it must spare.

    {"kind": "act", "pattern": "\\bhard no\\b", "matches": ["That is a hard no from me."], "spares": ["No hard feelings."]}

The patterns of a kind are alternatives, tried in the order of their rows. `{NAME}` in a pattern stands for the alternatives of
the kind NAME. The examples are no part of what a judge does: they say what a row is for, and `tests/judges/test_rules.py`
holds each row to them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..text.tables import records

REFERENCE = re.compile(r"\{([a-z_]+)\}")  # never a count such as {0,2}


@dataclass(frozen=True)
class Rule:
    """One alternative of a kind; `matches` and `spares` are texts as a model may write them."""

    kind: str
    pattern: str
    matches: tuple[str, ...]
    spares: tuple[str, ...]


@cache
def rules(judge: str) -> tuple[Rule, ...]:
    """Return the rows of JUDGE.jsonl, in order."""
    lines = records(Path(__file__).with_name(f"{judge}.jsonl"))
    return tuple(Rule(row["kind"], row["pattern"], tuple(row["matches"]), tuple(row["spares"])) for row in lines)


@cache
def rule(judge: str, kind: str) -> re.Pattern[str]:
    """Return the pattern that finds any alternative of a kind; compiled when it is first asked for."""
    return re.compile(joined(rules(judge), kind))


def joined(rows: tuple[Rule, ...], kind: str) -> str:
    """Return the alternatives of a kind as one expression, with those of other kinds where they are named.

    Raises:
        AssertionError: for a kind without rows, which is a mistake in the file.
    """
    patterns = [row.pattern for row in rows if row.kind == kind]
    assert patterns, f"no rules of the kind {kind!r}"
    return REFERENCE.sub(lambda match: f"(?:{joined(rows, match[1])})", "|".join(patterns))
