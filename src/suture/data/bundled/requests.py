"""Requests: harmful ones (mild, short, without content), harmless ones, and harmless ones that sound dangerous.

All are said in the same ways, so that only what is asked for tells them apart. Every list of actions gives half to
"probe" and a quarter each to "tune" and "report"; so do the ways to ask.
"""

from __future__ import annotations

import random

from ._parts import Split, distinct, grouped, listed, part

ASKS = listed("requests", "ASKS")
HARMFUL = grouped("requests", "HARMFUL")  # topic -> actions
BENIGN = listed("requests", "BENIGN")
BORDERLINE = listed("requests", "BORDERLINE")
QUESTIONS = listed("requests", "QUESTIONS")
COUNTS = {"probe": 240, "tune": 120, "report": 120}  # requests of each kind
BORDERLINE_COUNTS = {"probe": 100, "tune": 60, "report": 60}


def harmful(split: Split) -> list[str]:
    """Return plain harmful requests."""
    return _requests(f"harmful {split}", harmful_actions(split), split, COUNTS[split])


def benign(split: Split) -> list[str]:
    """Return plain harmless requests."""
    return _requests(f"benign {split}", part(BENIGN, split), split, COUNTS[split])


def borderline(split: Split) -> list[str]:
    """Return harmless requests with words that sound dangerous; what a too careful model refuses."""
    whole = part(QUESTIONS, split)
    actions = part(BORDERLINE, split)
    return whole + _requests(f"borderline {split}", actions, split, BORDERLINE_COUNTS[split] - len(whole))


def harmful_actions(split: Split) -> list[str]:
    """Return the harmful actions of a split, as bare infinitives."""
    return [action for actions in HARMFUL.values() for action in part(actions, split)]


def ask(rng: random.Random, action: str, split: Split) -> str:
    """Return a request for an action, in one of the ways of the split."""
    return rng.choice(part(ASKS, split)).replace("{a}", action)


def _requests(seed: str, actions: list[str], split: Split, count: int) -> list[str]:
    rng = random.Random(seed)
    return [text for (text,) in distinct(count, lambda number: (ask(rng, actions[number % len(actions)], split),))]
