"""suture: surgery for language models. Find what carries a behaviour, edit it, measure it, ship it as a patch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import renamed

if TYPE_CHECKING:
    from .data.examples import Behaviour, Fact, Labelled, ResponsePair
    from .locate.direction import Direction
    from .locate.probe import Probe, fit_probe
    from .locate.region import Region
    from .measure.evaluation import evaluate
    from .measure.report import Report
    from .metrics._metric import metric
    from .model.arch.anatomy import Anatomy, Site
    from .model.lm import LM
    from .model.run.generation import generate
    from .model.run.tracing import trace
    from .patch.delta import Dense, Entries, LowRank, Shift
    from .patch.patch import Patch
    from .registry import goal, judge, locator, method

__all__ = [
    "LM",
    "Anatomy",
    "Behaviour",
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
    "ResponsePair",
    "Shift",
    "Site",
    "evaluate",
    "fit_probe",
    "generate",
    "goal",
    "judge",
    "locator",
    "method",
    "metric",
    "trace",
]
_HOME = {
    "data.examples": ("Behaviour", "Fact", "Labelled", "ResponsePair"),
    "locate.direction": ("Direction",),
    "locate.probe": ("Probe", "fit_probe"),
    "locate.region": ("Region",),
    "measure.evaluation": ("evaluate",),
    "measure.report": ("Report",),
    "model.arch.anatomy": ("Anatomy", "Site"),
    "model.lm": ("LM",),
    "model.run.generation": ("generate",),
    "model.run.tracing": ("trace",),
    "patch.delta": ("Dense", "Entries", "LowRank", "Shift"),
    "patch.patch": ("Patch",),
    "metrics._metric": ("metric",),
    "registry": ("goal", "judge", "locator", "method"),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import a public name when it is first used, so that `import suture` stays instant."""
    if name in renamed.PUBLIC:
        return renamed.renamed(f"suture.{name}", renamed.PUBLIC[name])
    if name not in _WHERE:
        raise AttributeError(f"module 'suture' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)


renamed.install()
