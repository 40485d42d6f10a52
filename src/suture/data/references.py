"""Texts about things of which a fact is true, by its object: what free text about an edited subject should come to resemble.

In lines of {"target": "Rome", "texts": ["...", ...]}, or attribute_snippets.json of CounterFact, a list of
{"relation_id": "P36", "target_id": "Q220", "samples": [{"text": "..."}, ...]}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..io.rows import Record, list_of, records, refuse
from ..io.unread import Unread
from ..text.letters import folded

KNOWN = ("target", "texts", "relation_id", "target_id", "samples", "relation", "name")
FORM = '{"target": ..., "texts": [...]}'


@dataclass(frozen=True)
class References:
    """Texts by the object's words, or by the ids of relation and object."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    snippets: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> References:
        """Read texts.

        Raises:
            DataError: naming file and line.
        """
        references = cls()
        unread = Unread(path)
        for place, record in unread.seen(records(path, refuse, FORM), KNOWN):
            where = f"{path}, {place}"
            if "samples" in record:
                key = (str(record.get("relation_id")), str(record.get("target_id")))
                references.snippets.setdefault(key, []).extend(_texts(record, "samples", where))
            elif isinstance(record.get("target"), str):
                references.texts.setdefault(folded(record["target"].strip()), []).extend(_texts(record, "texts", where))
            else:
                raise DataError(f"{where}: no texts about an object", fix=f"Write {FORM}.")
        unread.tell()
        if not references.texts and not references.snippets:
            raise DataError(f"{path} is empty", fix=f"Write {FORM}, a line each.")
        return references

    def of(self, target: str, record: Record) -> tuple[str, ...]:
        """Return the texts for the object of a fact, which was read from `record`; empty where there are none."""
        rewrite = record.get("requested_rewrite")
        if isinstance(rewrite, Mapping) and isinstance(rewrite.get("target_new"), Mapping):
            key = (str(rewrite.get("relation_id")), str(rewrite["target_new"].get("id")))
            if key in self.snippets:
                return tuple(self.snippets[key])
        return tuple(self.texts.get(folded(target.strip()), ()))


def _texts(record: Record, key: str, where: str) -> list[str]:
    texts: list[str] = []
    for item in list_of(record, key, where, needed=True):
        text = item.get("text") if isinstance(item, Mapping) else item
        if not isinstance(text, str):
            raise DataError(f"{where}, {key}: {item!r} is not a text", fix="Make it a string or remove it.")
        texts.append(text)
    return texts
