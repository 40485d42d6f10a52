"""What suture offers, as text that stays the same until somebody changes it: public names, methods, verbs, --json.

Nothing here names a module of the package: files may move, what is offered may not.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import typer

import suture
from suture import registry
from suture.cli.main import app


def public() -> str:
    """Every name of `suture.__all__`: what it is; signatures, public methods and fields."""
    return "\n".join(line for name in sorted(suture.__all__) for line in _described(name, getattr(suture, name)))


def methods() -> str:
    """Every registered method and locator: its settings, a line each, with types and defaults."""
    lines: list[str] = []
    for kind in ("method", "locator"):
        for name in registry.names(kind):
            signature = inspect.signature(registry.get(kind, name))
            lines += [f"{kind} {name} -> {_typed(signature.return_annotation)}", *_parameters(signature), ""]
    return "\n".join(lines)


def verbs() -> str:
    """Every verb of the command line, with its arguments and options: types, defaults, and the first line of its help."""
    lines: list[str] = []
    for words, command in walked():
        lines += [f"suture {' '.join(words)}".rstrip(), *_help(command)]
        lines += _options(command)
        lines.append("")
    return "\n".join(lines)


def walked() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words and the command of every verb; those of methods and locators in full."""

    def below(command: Any, words: tuple[str, ...], parent: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, command
        if hasattr(command, "list_commands"):
            context = command.make_context(" ".join(words) or "suture", [], parent=parent, resilient_parsing=True)
            for name in sorted(command.list_commands(context)):
                _, each, _ = command.resolve_command(context, [name])
                yield from below(each, (*words, name), context)

    yield from below(typer.main.get_command(app), (), None)


def shape(content: Any) -> Any:
    """The keys of JSON, nested, with the types of what they hold; the elements of a list are told together."""
    if isinstance(content, dict):
        return {key: shape(value) for key, value in sorted(content.items())}
    if isinstance(content, list):
        found: list[Any] = []
        for each in map(shape, content):
            if each not in found:
                found.append(each)
        if len(found) > 1 and all(isinstance(each, dict) for each in found):
            found = [_merged(found)]
        return sorted(found, key=str)
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}
    return kinds[type(content)]


def _merged(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One description of several objects: a key that some lack ends in "?", one of several types says all of them."""
    merged: dict[str, Any] = {}
    for key in sorted({key for each in found for key in each}):
        kinds: list[Any] = []
        for each in found:
            if key in each and each[key] not in kinds:
                kinds.append(each[key])
        if len(kinds) > 1 and all(isinstance(kind, dict) for kind in kinds):
            kinds = [_merged(kinds)]
        plain = sorted(kinds, key=str)
        told = f"{key}?" if any(key not in each for each in found) else key
        merged[told] = plain[0] if len(plain) == 1 else {"one of": plain}
    return merged


def _described(name: str, found: Any) -> Iterator[str]:
    if inspect.isclass(found):
        yield f"class {name}{_signature(found)}"
        if dataclasses.is_dataclass(found):
            yield from (f"    field {f.name}: {_typed(f.type)}" for f in dataclasses.fields(found))
        yield from _members(found)
    elif isinstance(found, types.ModuleType):
        yield f"module {name}"
    elif callable(found):
        yield f"function {name}{_signature(found)}"
    else:
        yield f"constant {name} = {found!r}"
    yield ""


def _members(found: type) -> Iterator[str]:
    own = {name for base in found.__mro__ if base is not object for name in vars(base)}
    operators = {
        "__add__",
        "__sub__",
        "__mul__",
        "__rmul__",
        "__neg__",
        "__call__",
        "__iter__",
        "__len__",
        "__contains__",
    }
    for name in sorted(own):
        if name.startswith("_") and name not in operators:
            continue
        value = inspect.getattr_static(found, name)
        if isinstance(value, property):
            yield f"    property {name} -> {_typed(inspect.signature(value.fget).return_annotation)}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"    {type(value).__name__} {name}{_signature(getattr(found, name))}"
        elif inspect.isfunction(value):
            yield f"    method {name}{_signature(value)}"


def _signature(found: Callable[..., Any]) -> str:
    signature = inspect.signature(found)
    inside = ", ".join(_told(parameter) for parameter in _starred(signature))
    returned = signature.return_annotation
    return f"({inside})" + ("" if returned is signature.empty or inspect.isclass(found) else f" -> {_typed(returned)}")


def _starred(signature: inspect.Signature) -> Iterator[inspect.Parameter | str]:
    keyword = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            keyword = True
            yield "*"
        yield parameter


def _parameters(signature: inspect.Signature) -> list[str]:
    return [f"    {_told(parameter)}" for parameter in _starred(signature)]


def _told(parameter: inspect.Parameter | str) -> str:
    if isinstance(parameter, str):
        return parameter
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    typed = "" if parameter.annotation is parameter.empty else f": {_typed(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
    return f"{star}{parameter.name}{typed}{default}"


def _typed(annotation: Any) -> str:
    """A type as it is written, without the modules in which its parts are defined."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"('[^']*')|\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", r"\1", text)  # words in quotes are values


def _default(value: Any) -> str:
    if callable(value):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _help(command: Any) -> list[str]:
    text = (command.help or "").strip()
    return [f"    {text.splitlines()[0]}"] if text else []


def _options(command: Any) -> list[str]:
    """Arguments and options, by what the function behind the verb declares: the same for every version of typer."""
    callback = getattr(command, "callback", None)
    if callback is None or hasattr(command, "list_commands"):
        return []
    hints = typing.get_type_hints(inspect.unwrap(callback), include_extras=True)
    defaults = inspect.signature(callback).parameters
    return sorted(
        _option(each, hints[each.name], defaults[each.name].default) for each in command.params if each.name in hints
    )


def _option(parameter: Any, hint: Any, default: Any) -> str:
    argument = parameter.param_type_name == "argument"
    names = parameter.name.upper() if argument else ", ".join(sorted(parameter.opts, reverse=True))
    if parameter.secondary_opts:
        names += f" / {', '.join(parameter.secondary_opts)}"
    base, *told = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    bounds = [f"{sign}{bound:g}" for sign, name in ((">=", "min"), ("<=", "max")) for info in told
              if (bound := getattr(info, name, None)) is not None]  # fmt: skip
    asked = "required" if parameter.required else f"default {default if default != '' else repr(default)}"
    hidden = ["hidden"] if getattr(parameter, "hidden", False) else []
    return "    " + " ".join([f"{names}:", spelled(base), *bounds, asked, *hidden])


def spelled(kind: Any) -> str:
    """A type as people write it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "|".join(map(str, inner))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(spelled(each) for each in inner if each is not type(None))
    if origin is list:
        return f"several {spelled(inner[0])}"
    return str(getattr(kind, "__name__", kind))
