"""Settings of a method as NAME=VALUE words, read by the method's signature: for verbs whose options are not the method's."""

from __future__ import annotations

import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import SutureError, UsageError
from ._signature import file_type, load_file, name_now

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0")


def settings_of(name: str, function: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """Return the settings that words like "layer=1" give a method.

    Raises:
        UsageError: for an unknown name, or a value that is none.
    """
    hints = typing.get_type_hints(function)
    names = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = name_now(key.strip().lstrip("-").replace("-", "_"), names)
        if not equals or key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise UsageError(
                f"--set {word}: {'no value' if key in names else f'{name} has no setting {key!r}'}",
                why=f"Known: {', '.join(names)}.",
                fix=f"Did you mean {near[0]}?" if near and key not in names else f"See: suture edit {name} --help",
            )
        try:
            settings[key] = _value(hints[key], text.strip())
        except SutureError:  # of a file that a setting names
            raise
        except ValueError:
            raise UsageError(
                f"--set {word}: {text!r} is no {_type_name(hints[key])}", fix=f"See: suture edit {name} --help"
            ) from None
    return settings


def _value(hint: Any, text: str) -> Any:  # noqa: ANN401 - any annotation
    """Read a text as a type.

    Raises:
        ValueError: when it is none.
    """
    if kind := file_type(hint):
        return load_file(kind, Path(text))
    if isinstance(hint, types.UnionType):
        members = [member for member in typing.get_args(hint) if member is not type(None)]
        return (
            None if text.lower() == "none" and len(members) < len(typing.get_args(hint)) else _value(members[0], text)
        )
    if typing.get_origin(hint) is list:
        return [_value(typing.get_args(hint)[0], part.strip()) for part in text.split(",")]
    if typing.get_origin(hint) is typing.Literal:
        if text not in typing.get_args(hint):
            raise ValueError(text)
        return text
    if hint is bool:
        if text.lower() not in (*TRUE, *FALSE):
            raise ValueError(text)
        return text.lower() in TRUE
    value = hint(text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(text)
    return value


def _type_name(hint: Any) -> str:  # noqa: ANN401 - any annotation
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(hint)))}"
    return getattr(hint, "__name__", str(hint)).replace("typing.", "")
