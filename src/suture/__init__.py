"""suture: surgery for language models. Find what carries a behaviour, edit it, measure it, ship it as a patch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .anatomy import Anatomy, Site
    from .delta import Dense, Entries, LowRank, Shift
    from .direction import Direction
    from .evaluation import evaluate
    from .examples import Behaviour, Contrast, Fact, Labelled
    from .generation import generate
    from .lm import LM
    from .patch import Patch
    from .probe import Probe, fit_probe
    from .region import Region
    from .registry import locator, method
    from .report import Report
    from .tracing import trace

__all__ = [
    "LM",
    "Anatomy",
    "Behaviour",
    "Contrast",
    "Dense",
    "Direction",
    "Entries",
    "Fact",
    "Labelled",
    "LowRank",
    "Patch",
    "Probe",
    "Region",
    "Report",
    "Shift",
    "Site",
    "evaluate",
    "fit_probe",
    "generate",
    "locator",
    "method",
    "trace",
]
_HOME = {
    "anatomy": ("Anatomy", "Site"),
    "delta": ("Dense", "Entries", "LowRank", "Shift"),
    "direction": ("Direction",),
    "evaluation": ("evaluate",),
    "examples": ("Behaviour", "Contrast", "Fact", "Labelled"),
    "generation": ("generate",),
    "lm": ("LM",),
    "patch": ("Patch",),
    "probe": ("Probe", "fit_probe"),
    "region": ("Region",),
    "registry": ("locator", "method"),
    "report": ("Report",),
    "tracing": ("trace",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import a public name when it is first used, so that `import suture` stays instant."""
    if name not in _WHERE:
        raise AttributeError(f"module 'suture' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
