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
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from .errors import MissingFile, UsageError
from .renamed import GOES, setting_now

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
_CALL: ContextVar[tuple[Callable[..., Any], dict[str, Any]]] = ContextVar("the call of a method or locator")


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
    return _mark(function, "method")


def locator(function: F) -> F:
    """Mark a function `(lm, ..., *, settings...) -> Region` (or `-> Direction`, `-> Mask`) as a locator."""
    return _mark(function, "locator")


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
    point = next(iter(entry_points(group=f"suture.{kind}s", name=name)), None)
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


def settings() -> dict[str, Any]:
    """Return the settings of the method or locator that is being called, as a patch keeps them: all with their defaults.

    Settings are the keyword-only parameters, but for those that take objects or files: texts, a probe, a folder.

    Raises:
        LookupError: outside of a call.
    """
    function, arguments = _CALL.get()
    setting_names = _setting_names(function)
    return {name: value for name, value in arguments.items() if name in setting_names}


@functools.cache
def _setting_names(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the keyword-only parameters whose types name no class of ours and no path."""
    hints = typing.get_type_hints(function)
    keywords = (name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY)
    return frozenset(name for name in keywords if not any(map(_no_setting, _classes(hints[name]))))


def _classes(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    """Yield the classes that an annotation is made of."""
    yield from (inner for part in typing.get_args(hint) for inner in _classes(part))
    yield typing.get_origin(hint) or hint


def _no_setting(part: Any) -> bool:  # noqa: ANN401 - a part of any annotation
    return isinstance(part, type) and (part.__module__.startswith("suture.") or issubclass(part, Path))


def _mark(function: F, kind: Kind) -> F:
    call = inspect.signature(function)
    if next(iter(call.parameters), None) != "lm":
        raise TypeError(f"{function.__name__}: the first argument of a {kind} is lm")
    call, text = _spelled_out(function, call)

    @functools.wraps(function)
    def bound(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - as the function has them
        binding = call.bind(*args, **_by_new_names(function.__name__, keywords, call.parameters))
        binding.apply_defaults()
        _check_choices(bound, binding.arguments)
        before = _CALL.set((bound, binding.arguments))
        try:
            return function(*binding.args, **binding.kwargs)
        finally:
            _CALL.reset(before)

    bound.__doc__ = text
    bound.__annotations__ = {p.name: p.annotation for p in call.parameters.values() if p.annotation is not p.empty}
    if call.return_annotation is not call.empty:
        bound.__annotations__["return"] = call.return_annotation
    vars(bound).update(__suture_kind__=kind, __signature__=call)
    return cast(F, bound)


def _check_choices(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise UsageError for a word that a setting can not be: methods compare words, and would take it for the other one."""
    for name, choices in _choices(function).items():
        if arguments[name] not in choices:
            listing = ", ".join(map(repr, choices))
            raise UsageError(f"{function.__name__}: {name} is not {arguments[name]!r}", fix=f"Use one of {listing}.")


@functools.cache
def _choices(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """Return the settings whose type is a `Literal` (or None), with what they can be."""
    choices = {}
    for name, hint in typing.get_type_hints(function).items():
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        parts = typing.get_args(hint) if union else (hint,)
        words = [part for part in parts if typing.get_origin(part) is Literal]
        if name != "return" and words and all(part in (*words, type(None)) for part in parts):
            empty = (None,) if type(None) in parts else ()
            choices[name] = (*(word for part in words for word in typing.get_args(part)), *empty)
    return choices


def _spelled_out(function: Callable[..., Any], call: inspect.Signature) -> tuple[inspect.Signature, str | None]:
    """Return signature and docstring of a function with shared settings as keywords in place of `**shared: Unpack[SHARED]`."""
    parameters = list(call.parameters.values())
    if parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD or "Unpack" not in str(parameters[-1].annotation):
        return call, function.__doc__
    star = parameters.pop()
    (shared,) = typing.get_args(typing.get_type_hints(function)[star.name])
    hints = typing.get_type_hints(shared)
    keywords = [
        inspect.Parameter(name, star.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in shared_defaults(shared).items()
    ]
    entries = "\n".join(_attributes(shared))
    text = re.sub(rf"^ *{star.name}: .*$", lambda _: entries, inspect.getdoc(function) or "", flags=re.MULTILINE)
    return call.replace(parameters=[*parameters, *keywords]), text


def shared_defaults(shared: type) -> dict[str, Any]:
    """Return the defaults of settings that a TypedDict declares, each `NAME: Annotated[TYPE, DEFAULT]`."""
    hints = typing.get_type_hints(shared, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _attributes(shared: type) -> Iterator[str]:
    """Yield the lines that document the fields of a TypedDict, those of the ones that it is made of first."""
    for base in getattr(shared, "__orig_bases__", ()):
        if isinstance(base, type):
            yield from _attributes(base)
    yield from inspect.cleandoc(shared.__doc__ or "").partition("Attributes:\n")[2].splitlines()


def _by_new_names(method: str, keywords: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments by the names they have now; warns whoever calls the method by an old one."""
    current: dict[str, Any] = {}
    for name, value in keywords.items():
        now = setting_now(name, parameters)
        if now != name:
            if now in keywords:
                raise TypeError(f"{method}() got {name!r} and {now!r}, which is its new name")
            warnings.warn(f"{method}({name}=) is now {now}=; {GOES}", DeprecationWarning, stacklevel=3)
        current[now] = value
    return current


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
