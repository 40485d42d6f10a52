"""Limits as the command line has them: names with numbers, "kl=0.05,points=0.01"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import UsageError

T = TypeVar("T")


def parse_limits(kind: Callable[..., T], text: str, what: str, example: str) -> T:
    """Return a dataclass of positive numbers whose fields a text names; what it does not name keeps its default.

    Args:
        kind: the dataclass.
        text: NAME=NUMBER, with commas between; "" for all defaults.
        what: a number is called: "budget".
        example: of a whole text.

    Raises:
        UsageError: for an unknown name or a number that is none.
    """
    values: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            values[name.strip()] = float(number)
            limits = kind(**values)
        except (TypeError, ValueError):
            raise UsageError(f"{part!r} is no {what}", fix=f"Write it as {example} (any of them).") from None
        if not min(vars(limits).values()) > 0:
            raise UsageError(f"{part!r}: a {what} is more than 0", fix="Give a small positive number.")
    return kind(**values)
