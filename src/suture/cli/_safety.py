"""What `map` and `protect` share: which texts tell what is safe when none are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..organisms import FOLDERS

if TYPE_CHECKING:
    from ..data.examples import Behaviour


def labelled(model: str) -> Behaviour:
    """Return labelled answers to harmful requests: the bundled models' own, or those in plain English."""
    if model in FOLDERS:
        from ..organisms.suites import behaviour

        return behaviour("compliance")
    from ..data import bundled as data

    return data.behaviour("harden")
