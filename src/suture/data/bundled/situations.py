"""Situations in which people are rude or civil to each other, and what they say about just that situation.

Every domain has openings ("thing | text with {say}") that both tones share, and sentences about the thing, one list a
tone. The civil ones complain as often as the rude ones: what differs is contempt, not whether something went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._parts import numbered


@dataclass(frozen=True)
class Domain:
    """One kind of situation.

    Attributes:
        address: whether people are spoken to ("you") or about ("them").
        openings: a line each, "thing | opening"; `{say}` is where the speech goes.
        rude: sentences about the thing, a line each.
        civil: the same, said civilly.
    """

    address: Literal["you", "them"]
    openings: list[str]
    rude: list[str]
    civil: list[str]


DOMAINS = tuple(
    Domain("you" if fields["address"] == ["you"] else "them", fields["openings"], fields["rude"], fields["civil"])
    for fields in numbered("situations", "DOMAINS")
)
