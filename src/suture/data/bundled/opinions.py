"""Things people have opinions about, and what they say when they like them or not.

A category has neutral openings that both attitudes share, and sentences about such things, one list an attitude.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._parts import numbered


@dataclass(frozen=True)
class Category:
    """One kind of thing: neutral openings and sentences of praise and of complaint."""

    openings: list[str]
    positive: list[str]
    negative: list[str]


CATEGORIES = tuple(Category(**fields) for fields in numbered("opinions", "CATEGORIES"))
