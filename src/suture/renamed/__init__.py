"""Old names go on working for one version, with a warning that says the new one.

Modules of 0.1 are found where they are now by a finder of imports, names in public by `renamed`, settings of methods by
`setting_now`, labels of judges by `label_now`. It all goes with version 0.3.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Container, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .modules import CLASSES, MODULES, NAMES
from .modules import PUBLIC as PUBLIC
from .settings import LABELS, SETTINGS

GOES = "the old name goes with version 0.3"


def renamed(old: str, new: str) -> Any:  # noqa: ANN401 - whatever has the new name
    """Return what has a new name, and warn whoever called by the old one.

    Args:
        old: as it was called.
        new: module and name, with dots.
    """
    warnings.warn(f"{old} is now {new}; {GOES}", DeprecationWarning, stacklevel=3)
    module, _, name = new.rpartition(".")
    return getattr(importlib.import_module(module), name)


def with_old_names(room: str, face: Callable[[str], Any] | None = None) -> Callable[[str], Any]:
    """Return the `__getattr__` of a room or module that also finds what version 0.1 offered by these names.

    Args:
        room: its dotted name.
        face: its own `__getattr__`, if it has one.
    """
    old = NAMES[room.removeprefix("suture.")]

    def public_name(name: str) -> Any:  # noqa: ANN401 - any public name
        if name in old:
            return renamed(f"{room}.{name}", old[name])
        if face is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return face(name)

    return public_name


def setting_now(name: str, known: Container[str]) -> str:
    """Return what a setting is called now: the name itself, but where a method knows it by a new one alone."""
    new = SETTINGS.get(name, name)
    return new if name not in known and new in known else name


def label_now(label: str, known: Container[str]) -> str:
    """Return what a label of a judge is called now: the label itself, but where the judge knows it by a new name alone."""
    new = LABELS.get(label, label)
    return new if label not in known and new in known else label


class Finder(MetaPathFinder, Loader):
    """Finds a module of 0.1 by its old name: the very module that is now elsewhere, not a copy."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}  # of modules that are being found by an old name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how an old name is loaded; None for anything else."""
        return ModuleSpec(fullname, self) if fullname.removeprefix("suture.") in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module that has the new name."""
        new = f"suture.{MODULES[spec.name.removeprefix('suture.')]}"
        # the frames between are those of the import system
        classes = CLASSES.get(new.removeprefix("suture."), {})
        names = f", and in it {', '.join(f'{old} is {now}' for old, now in classes.items())}" if classes else ""
        warnings.warn(f"{spec.name} is now {new}{names}; {GOES}", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        self._specs[module.__name__] = module.__spec__
        for old, now in classes.items():
            setattr(module, old, getattr(module, now))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back; it was executed under its new name."""
        module.__spec__ = self._specs.pop(module.__name__)


def install() -> None:
    """Have old names found from now on; first, or files of a folder that moved would be loaded twice."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
