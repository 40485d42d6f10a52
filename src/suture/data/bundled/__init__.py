"""Bundled examples in plain English for `suture detox`, `harden` and `attitude`, for any English language model.

Parts written for this purpose, combined with a fixed seed. A split ("probe" to fit on, "tune" to choose settings on, "report" for
figures) shares no situation, sentence, wrapper or request with another. See docs/data.md.
"""

from __future__ import annotations

from types import ModuleType

from ...errors import UsageError
from ..examples import Behaviour, Texts
from . import attitude, detox, harden
from ._parts import SPLITS, Split, listed
from .harden import wrapped_benign
from .neutral import broad, neutral, tasks
from .requests import benign, borderline, harmful

__all__ = [
    "BEHAVIOURS", "SPLITS", "Split", "behaviour", "benign", "borderline", "broad", "elsewhere", "harmful", "neutral",
    "prompts", "tasks", "wrapped_benign",
]  # fmt: skip
BEHAVIOURS = ("detox", "harden", "attitude")
_MODULES = {"detox": detox, "harden": harden, "attitude": attitude}


def behaviour(name: str, split: Split = "probe") -> Behaviour:
    """Return labelled texts; 1 is rude, harmful and answered, or negative.

    Args:
        name: one of BEHAVIOURS. The texts of "harden" are answers, with the request as `prompt`.
        split: one of SPLITS.

    Raises:
        UsageError: for an unknown name or split.
    """
    return Behaviour(name, tuple(_module(name).labelled(split)))


def texts(name: str) -> Texts:
    """Return plain texts: "neutral" ones, which no edit should change, or "broad", of more kinds.

    Raises:
        UsageError: for another name.
    """
    if name not in ("neutral", "broad"):
        raise UsageError(f"no texts bundled:{name}", fix="Known: bundled:neutral, bundled:broad.")
    return broad("probe") if name == "broad" else neutral("probe")


def prompts(name: str, split: Split) -> list[str]:
    """Return prompts to be continued (or, for "harden", answered) freely and judged.

    They invite what is unwanted: openings of rude talk, neutral openings of opinions, harmful requests in wrappers.

    Raises:
        UsageError: for an unknown name or split.
    """
    return _module(name).prompts(split)


def elsewhere(name: str) -> list[str]:
    """Return openings that share nothing with those of `prompts`, of no split and made by no template: comments, letters, tales.

    An edit that is chosen on a behaviour's prompts has to hold on them. None for "harden".
    """
    _module(name)
    return listed("elsewhere", name)


def _module(name: str) -> ModuleType:
    if name not in _MODULES:
        raise UsageError(f"no bundled behaviour {name!r}", fix=f"Known: {', '.join(BEHAVIOURS)}.")
    return _MODULES[name]
