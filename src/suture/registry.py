"""Methods, locators, metrics, judges and goals are found by their files: no list to edit.

`methods/surgery.py` holds a function `surgery` marked `@method`; its signature is its configuration. `metrics/drift.py`
holds a function `observe` marked `@metric`. Other packages offer methods through the entry-point group "suture.methods",
and so on; a file anywhere is loaded by its path.
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

from .calls.binding import bound_call
from .calls.binding import settings as settings
from .calls.shared import shared_defaults as shared_defaults
from .errors import MissingFile, UsageError

Kind = Literal["method", "locator", "judge", "metric", "goal"]
FOLDERS: dict[Kind, str] = {
    "method": "suture.methods",
    "locator": "suture.locate",
    "judge": "suture.judges",
    "metric": "suture.metrics",
    "goal": "suture.goals.library",
}
SOURCES = {"patient": "suture.organisms", "bundled": "suture.data.bundled"}  # of texts and suites, by name
MODELS = "suture.organisms"
MARKED = re.compile(r'^@judge\("([^"]+)"\)\n(?:@[^\n]+\n)*class (\w+)', re.MULTILINE)
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])


def method(function: F) -> F:
    """Mark a function `(lm, examples, *, settings...) -> Patch` as an editing method.

    Example:
        >>> from suture import LM, Behaviour, Patch, method
        >>> from suture import registry
        >>> @method
        ... def mine(lm: LM, behaviours: list[Behaviour], *, strength: float = 1.0) -> Patch:
        ...     return registry.settings()  # a real one makes a Patch of them
        >>> mine(None, [], strength=2.0)
        {'strength': 2.0}
    """
    return bound_call(function, "method")


def locator(function: F) -> F:
    """Mark a function `(lm, ..., *, settings...) -> Region` (or `-> Direction`, `-> Mask`) as a locator."""
    return bound_call(function, "locator")


def goal(function: F) -> F:
    """Mark a function `() -> Preset` as a goal; one that goes both ways takes `toward`."""
    vars(function)["__suture_kind__"] = "goal"
    return function


def judge(form: str) -> Callable[[C], C]:
    """Mark a class as a judge: `(prompt, text) -> label`.

    Args:
        form: how it is written on the command line, "NAME" or "NAME:WHAT FOLLOWS". The class is made by its classmethod
            `of(rest)`, which returns None for what is not of the form; without one it takes nothing.
    """

    def mark(kind: C) -> C:
        marked: Any = kind
        marked.__suture_kind__, marked.__suture_form__ = "judge", form
        if not hasattr(marked, "of"):
            marked.of = staticmethod(lambda rest: None if rest else marked())
        return kind

    return mark


@functools.cache
def _forms() -> dict[str, tuple[str, str, str]]:
    """Return name -> module, class and form of the judges in files here, read from their sources."""
    package = importlib.import_module(FOLDERS["judge"])
    forms = {}
    for file in sorted(Path(folder) / name for folder in package.__path__ for name in os.listdir(folder)):
        if file.suffix == ".py":
            for form, kind in MARKED.findall(file.read_text(encoding="utf-8")):
                forms[form.partition(":")[0]] = (f"{package.__name__}.{file.stem}", kind, form)
    return forms


def judges() -> dict[str, str]:
    """Return the form of each known judge by name, as it is written on the command line."""
    others = {point.name: f"{point.name}[:..]" for point in entry_points(group="suture.judges")}
    return {**others, **{name: form for name, (_, _, form) in _forms().items()}}


@functools.cache
def _installed() -> Any:  # noqa: ANN401 - of another type in Python 3.10
    """Return what installed packages offer, all groups: each look reads the records of every one of them."""
    return metadata.entry_points()


def entry_points(group: str) -> metadata.EntryPoints:
    """Return what installed packages offer in a group."""
    points: metadata.EntryPoints = _installed().select(group=group)
    return points


def names(kind: Kind) -> list[str]:
    """Return the known names of a kind, without importing anything heavy."""
    if kind == "judge":
        return sorted(judges())
    package = importlib.import_module(FOLDERS[kind])
    built_in = [info.name for info in pkgutil.iter_modules(package.__path__) if _offers(kind, info.name)]
    return sorted({*built_in, *(point.name for point in entry_points(group=f"suture.{kind}s"))})


def source(name: str) -> Any:  # noqa: ANN401 - a module with the functions that are asked of it
    """Return a named source of texts, suites and models: what "NAME:PART" means wherever a file could stand.

    A source is a module with any of: `behaviour(part)`, `texts(part)`, `prompts(part, split)`, `instances(part)`,
    `suite(part, size)`. Other packages offer theirs through the entry-point group "suture.sources".

    Raises:
        UsageError: when there is none of that name.
    """
    if name in SOURCES:
        return importlib.import_module(SOURCES[name])
    for point in entry_points(group="suture.sources"):
        if point.name == name:
            return point.load()
    raise UsageError(f"no source {name!r}", fix=f"Known: {', '.join(sorted(sources()))}.")


def sources() -> set[str]:
    """Return the names of all sources; none is imported."""
    return {*SOURCES, *(point.name for point in entry_points(group="suture.sources"))}


def models() -> dict[str, Path]:
    """Return the folders of models that are installed with suture and other packages, by name.

    A package says them as a dict, `FOLDERS`, through the entry-point group "suture.models"; nothing else of it is asked for.
    """
    folders = dict(importlib.import_module(MODELS).FOLDERS)
    for point in entry_points(group="suture.models"):
        folders |= point.load()
    return folders


def get(kind: Kind, name: str) -> Callable[..., Any]:
    """Return a function by name, or from a Python file when `name` is a path.

    Raises:
        UsageError: when there is none; names the nearest.
    """
    if name.endswith(".py"):
        return _from_file(kind, Path(name))
    if kind == "judge" and name in _forms():
        module, class_name, _ = _forms()[name]
        return _checked(kind, getattr(importlib.import_module(module), class_name), name)
    known_names = names(kind)
    if name not in known_names:
        near = difflib.get_close_matches(name, known_names, 1)
        raise UsageError(
            f'no {kind} "{name}"',
            why=f"Known: {', '.join(known_names)}.",
            fix=f'Did you mean "{near[0]}"?' if near else f"See: suture methods, or give a file: ./{name}.py",
        )
    for point in entry_points(group=f"suture.{kind}s"):
        if point.name == name:
            return _checked(kind, point.load(), name)
    return _checked(
        kind, getattr(importlib.import_module(f"{FOLDERS[kind]}.{name}"), _function_name(kind, name), None), name
    )


def summary(function: Callable[..., Any]) -> str:
    """Return the first line of a function's module docstring."""
    return (inspect.getdoc(inspect.getmodule(function)) or inspect.getdoc(function) or "").split("\n")[0]


def about(kind: Kind, name: str) -> str:
    """Return the first line of the docstring of a known name's module, read from its source: nothing is imported."""
    point = next((point for point in entry_points(group=f"suture.{kind}s") if point.name == name), None)
    spec = importlib.util.find_spec(point.module if point else f"{FOLDERS[kind]}.{name}")
    source = Path(spec.origin) if spec and spec.origin else None
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else None
    return (docstring or "").split("\n")[0]


def _offers(kind: Kind, name: str) -> bool:
    """Return whether a file of a kind's folder has a function of its name with the decorator; nothing is imported."""
    spec = importlib.util.find_spec(f"{FOLDERS[kind]}.{name}")
    if name.startswith("_") or spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).read_text(encoding="utf-8")
    marked = rf"^@{kind}\b[^@]*?\n(?:@[^\n]+\n)*def {_function_name(kind, name)}\("
    return re.search(marked, source, re.MULTILINE) is not None


def _function_name(kind: Kind, name: str) -> str:
    """Return what the function of a file is called."""
    return "observe" if kind == "metric" else name


def _from_file(kind: Kind, path: Path) -> Callable[..., Any]:
    if not path.is_file():
        raise MissingFile(f"no file {path}", fix=f"Give the path of a Python file with a function marked @{kind}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as problem:  # whatever the file does is the file's mistake, not ours
        why = " ".join(f"{type(problem).__name__}: {problem}".split())
        raise UsageError(f"{path} does not run", why=why, fix=f"Correct it until this runs: python {path}") from problem
    if kind == "judge":
        marked = [value for value in vars(module).values() if getattr(value, "__suture_kind__", None) == kind]
        return _checked(kind, marked[0] if len(marked) == 1 else None, path.stem)
    return _checked(kind, getattr(module, _function_name(kind, path.stem), None), path.stem)


def _checked(kind: Kind, function: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 - anything a file may hold
    if getattr(function, "__suture_kind__", None) != kind:
        function_name = _function_name(kind, name)
        what = "class" if kind == "judge" else f"function {function_name}"
        fix = (
            f'Mark the class: @judge("{name}")'
            if kind == "judge"
            else f"Name the function so, and mark it: @{kind} def {function_name}"
        )
        raise UsageError(f"{name} has no {what} marked @{kind}", fix=fix)
    return function
