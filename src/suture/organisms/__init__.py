"""The bundled patient: a tiny language model of a made-up world, its generator, its training and its test suites.

Load it with `LM.load("patient")`, or as a mixture of experts with `LM.load("patient-moe")`. What they can do is measured in
docs/patient.md.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..data.examples import Behaviour, Texts
    from ..data.instances import Instance
    from ..measure.suite import Suite

FOLDERS = {name: Path(__file__).parent / path for name, path in (("patient", "model"), ("patient-moe", "model-moe"))}


def behaviour(name: str) -> Behaviour:
    """Return labelled texts of the patient's world; see `suites.behaviour`."""
    from . import suites

    return suites.behaviour(name)


def texts(name: str) -> Texts:
    """Return plain texts: "keep", what an edit of the patient shall leave alone.

    Raises:
        UsageError: for another name.
    """
    from . import suites

    if name != "keep":
        raise UsageError(f"no texts patient:{name}", fix="Known: patient:keep.")
    return suites.keep()


def instances(name: str) -> list[Instance]:
    """Return attacks of the patient's world with safe and unsafe answers; see `attacks.named`."""
    from . import attacks

    return attacks.named(name)


def suite(name: str, size: int) -> Suite:
    """Return a suite of the patient's world, "patient" or "patient:tune"; see `suites.named`."""
    from . import suites

    return suites.named(name, size)


def world() -> ModuleType:
    """Return what goals and suites ask of this world beyond that: `suites`."""
    from . import suites

    return suites
