"""A call of a method or locator: settings by the names they have now, words that a setting knows, and what the patch keeps."""

from __future__ import annotations

import functools
import inspect
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from ..errors import UsageError
from ..renamed import GOES, setting_now
from .shared import spelled_out

F = TypeVar("F", bound=Callable[..., Any])
_CALL: ContextVar[tuple[Callable[..., Any], dict[str, Any]]] = ContextVar("the call of a method or locator")


def bound_call(function: F, kind: Literal["method", "locator"]) -> F:
    """Return a method or locator that binds its arguments, so that `settings` knows them while it runs.

    Args:
        function: its first argument is `lm`; shared settings may stand as `**shared: Unpack[SHARED]`.
        kind: what it is marked as.

    Raises:
        TypeError: when its first argument is another.
    """
    call = inspect.signature(function)
    if next(iter(call.parameters), None) != "lm":
        raise TypeError(f"{function.__name__}: the first argument of a {kind} is lm")
    call, text = spelled_out(function, call)

    @functools.wraps(function)
    def bound(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function has them
        given = call.bind(*args, **_by_new_names(function.__name__, named, call.parameters))
        given.apply_defaults()
        _check_choices(bound, given.arguments)
        before = _CALL.set((bound, given.arguments))
        try:
            return function(*given.args, **given.kwargs)
        finally:
            _CALL.reset(before)

    bound.__doc__ = text
    bound.__annotations__ = {p.name: p.annotation for p in call.parameters.values() if p.annotation is not p.empty}
    if call.return_annotation is not call.empty:
        bound.__annotations__["return"] = call.return_annotation
    vars(bound).update(__suture_kind__=kind, __signature__=call)
    return cast(F, bound)


def settings() -> dict[str, Any]:
    """Return the settings of the method or locator that is being called, as a patch keeps them: all with their defaults.

    Settings are the keyword-only parameters, but for those that take objects or files: texts, a probe, a folder.

    Raises:
        LookupError: outside of a call.
    """
    function, given = _CALL.get()
    kept = _kept(function)
    return {name: value for name, value in given.items() if name in kept}


@functools.cache
def _kept(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the keyword-only parameters whose types name no class of ours and no path."""
    hints = typing.get_type_hints(function)
    named = (name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY)
    return frozenset(name for name in named if not any(map(_no_setting, _classes(hints[name]))))


def _classes(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    """Yield the classes that an annotation is made of."""
    yield from (inner for part in typing.get_args(hint) for inner in _classes(part))
    yield typing.get_origin(hint) or hint


def _no_setting(part: Any) -> bool:  # noqa: ANN401 - a part of any annotation
    return isinstance(part, type) and (part.__module__.startswith("suture.") or issubclass(part, Path))


def _check_choices(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Raise UsageError for a word that a setting can not be: methods compare words, and would take it for the other one."""
    for name, choices in _choices(function).items():
        if given[name] not in choices:
            known = ", ".join(map(repr, choices))
            raise UsageError(f"{function.__name__}: {name} is not {given[name]!r}", fix=f"Use one of {known}.")


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


def _by_new_names(method: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments by the names they have now; warns whoever calls the method by an old one."""
    renamed: dict[str, Any] = {}
    for name, value in given.items():
        now = setting_now(name, known)
        if now != name:
            if now in given:
                raise TypeError(f"{method}() got {name!r} and {now!r}, which is its new name")
            warnings.warn(f"{method}({name}=) is now {now}=; {GOES}", DeprecationWarning, stacklevel=3)
        renamed[now] = value
    return renamed
