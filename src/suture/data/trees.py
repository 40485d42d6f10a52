"""Conversations that a file holds message by message, each naming the one that it follows (Open Assistant's flat rows).

    {"message_id": "b", "parent_id": "a", "role": "prompter" | "assistant", "text": ...}

Source: Köpf et al. 2023, "OpenAssistant Conversations - Democratizing Large Language Model Alignment".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..io.rows import Row
from .turns import Turn, turns_of

KEYS = frozenset(("message_id", "parent_id", "role", "text"))
KNOWN = KEYS | frozenset(  # what describes a message
    "user_id created_date message_tree_id tree_state model_name detoxify emojis labels review_result".split()
)


def is_reply(row: object) -> bool:
    """Return whether a row is one message of such a tree."""
    return isinstance(row, Mapping) and set(row) >= KEYS


def threads(rows: Sequence[Row], source: str) -> Iterator[tuple[str, Mapping[str, Any], list[Turn]]]:
    """Yield (place, row, turns) of every message: the turns lead from the first message that is there to this one.

    Args:
        rows: of a file, each a message.
        source: begins the complaints.

    Raises:
        DataError: naming file and place, for what is no turn.
    """
    by_id = {row.value["message_id"]: row for row in rows}
    for place, message in rows:
        chain, seen = [Row(place, message)], {message["message_id"]}
        while (parent := by_id.get(chain[0].value["parent_id"])) and parent.value["message_id"] not in seen:
            chain.insert(0, parent)
            seen.add(parent.value["message_id"])
        turns = [turns_of([row.value], f"{source}, {row.place}")[0] for row in chain]
        yield place, message, turns
