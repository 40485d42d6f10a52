"""Settings that several methods share are keywords of each."""

import inspect
import typing
from typing import Annotated

import pytest
from typing_extensions import TypedDict, Unpack

from suture import registry


class Pace(TypedDict, total=False):
    """How fast.

    Attributes:
        steps: how many,
            at most.
    """

    steps: Annotated[int, 3]


class Shared(Pace, total=False):
    """What some methods share.

    Attributes:
        keep: what stays.
    """

    keep: Annotated[str | None, None]


@registry.method
def mine(lm, facts, *, layer: int = 1, **shared: Unpack[Shared]):
    """Make it.

    Args:
        lm: the model.
        facts: what to write.
        layer: where.
        shared: see `Shared`.

    Raises:
        ValueError: never.
    """
    return shared, registry.settings()


def test_shared_settings_are_keywords_of_each_method():
    assert str(inspect.signature(mine)) == "(lm, facts, *, layer: int = 1, steps: int = 3, keep: str | None = None)"
    assert typing.get_type_hints(mine) == {"layer": int, "steps": int, "keep": str | None}
    assert mine(None, [], steps=4) == ({"steps": 4, "keep": None}, {"layer": 1, "steps": 4, "keep": None})
    with pytest.raises(TypeError, match="unexpected keyword argument 'step'"):
        mine(None, [], step=4)


def test_shared_settings_are_documented_where_they_are_taken():
    told = "    layer: where.\n    steps: how many,\n        at most.\n    keep: what stays.\n\nRaises:\n"
    assert told in inspect.getdoc(mine)
