"""Settings that several methods share: a TypedDict with defaults and docstrings, spelled out as keywords of each."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any


def spelled_out(function: Callable[..., Any], call: inspect.Signature) -> tuple[inspect.Signature, str | None]:
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
    documented = "\n".join(_attributes(shared))
    text = re.sub(rf"^ *{star.name}: .*$", lambda _: documented, inspect.getdoc(function) or "", flags=re.MULTILINE)
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
