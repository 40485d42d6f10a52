"""Turns the signature of a method or locator into a command: its settings become options, its docstring their help."""

from __future__ import annotations

import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Container
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .. import registry
from ..errors import UsageError
from ..renamed import GOES, setting_now

FILES = {
    "Probe": "locate",
    "Direction": "locate",
    "Region": "locate",
    "Mask": "locate",
    "Patch": "patch",
    "Texts": "data",
    "Behaviour": "data",
    "Fact": "data",
    "ResponsePair": "data",
    "Instruction": "data",
}  # settings given as files: type -> room
PROGRESS = "progress"  # what a locator tells how far it is: no setting


def command(name: str, function: Callable[..., Any], body: Callable[..., None]) -> Any:  # noqa: ANN401 - a command of the click that typer brings
    """Return a command that calls `body(settings, **options)`.

    Args:
        name: of the command.
        function: the method; its keyword-only parameters become options.
        body: its keyword-only parameters are added; its first receives the settings as a dict.
    """
    helps = argument_helps(function)
    hints = typing.get_type_hints(function)
    extra = [p for p in inspect.signature(body, eval_str=True).parameters.values() if p.kind is p.KEYWORD_ONLY]
    # where one of these is asked for, the examples come from there
    has_data = bool({"data", "facts", "instances", "prompts", "tune"} & {p.name for p in extra})
    settings: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        positional = parameter.kind is not parameter.KEYWORD_ONLY
        if parameter.name in ("lm", PROGRESS) or (positional and (has_data or not file_type(hints[parameter.name]))):
            continue
        kind = _option_type(hints[parameter.name])
        option = typer.Option(help=helps.get(parameter.name, ""), rich_help_panel=f"Settings of {name}")
        default = inspect.Parameter.empty if parameter.default is parameter.empty else parameter.default
        settings.append(
            inspect.Parameter(
                parameter.name, parameter.KEYWORD_ONLY, annotation=Annotated[kind, option], default=default
            )
        )

    def call(**options: Any) -> None:  # noqa: ANN401 - typer fills them in by the signature below
        chosen = {p.name: options.pop(p.name) for p in settings}
        for key, value in chosen.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"--{key.replace('_', '-')} can not be {value}", fix="Give a finite number.")
            if isinstance(value, Path) and file_type(hints[key]):
                chosen[key] = load_file(file_type(hints[key]), value)
        body(chosen, **options)

    everything = [*extra, *settings]
    everything.sort(key=lambda p: p.default is not inspect.Parameter.empty)
    vars(call)["__signature__"] = inspect.Signature(everything)
    call.__annotations__ = {p.name: p.annotation for p in everything}
    call.__doc__ = registry.summary(function)
    single = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    setting_names = {p.name for p in settings}

    def option_now(word: str) -> str:  # click asks for the name of every option that is given
        now = name_now(word, setting_names)
        return word if now == word else now.replace("_", "-")

    single.command(name, context_settings={"token_normalize_func": option_now})(call)
    click_command = typer.main.get_command(single)
    click_command.name = name
    return click_command


def name_now(name: str, known: Container[str]) -> str:
    """Return what a setting is called now; says so on standard error where it was called by an old name."""
    now = setting_now(name, known)
    if now != name:
        sys.stderr.write(f"note: --{name.replace('_', '-')} is now --{now.replace('_', '-')}; {GOES}\n")
    return now


def group(kind: registry.Kind, body: Callable[[str, Callable[..., Any]], Callable[..., None]]) -> type[TyperGroup]:
    """Return a click group whose commands are the registered functions of a kind, imported only when asked for."""

    class Lazy(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401
            return registry.names(kind)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
            """Return what the list of commands shows; only a command that runs is worth an import."""
            return TyperCommand(cmd_name, help=registry.about(kind, cmd_name))

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
            function = registry.get(kind, args[0])
            name = Path(args[0]).stem
            return name, command(name, function, body(name, function)), args[1:]

    return Lazy


def examples_of(function: Callable[..., Any]) -> str:
    """Return the type of a method's examples: that of its second parameter, whatever list or union it stands in."""
    second = list(inspect.signature(function).parameters)[1]
    return file_type(typing.get_type_hints(function)[second])


def argument_helps(function: Callable[..., Any]) -> dict[str, str]:
    """Return the text of each entry of a docstring's Args section."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"\nArgs:\n(.*?)(?:\n\S|\Z)", text, re.DOTALL)
    helps: dict[str, str] = {}
    current = ""
    for line in (section.group(1) if section else "").splitlines():
        if match := re.match(r" {4}(\w+): (.*)", line):
            current = match.group(1)
            helps[current] = match.group(2)
        elif current:
            helps[current] += " " + line.strip()
    return helps


def _option_type(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    """Return what typer shall parse: files for values that live in files, else the hint itself."""
    if file_type(hint):
        return Path | None if type(None) in typing.get_args(hint) else Path
    return hint


def file_type(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return the type that a setting is read from a file as, by its annotation; "" for plain settings."""
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    inner = [typing.get_args(member)[0] if typing.get_origin(member) is list else member for member in members]
    names = [getattr(member, "__name__", "") for member in inner]
    return next((name for name in names if name in FILES), "")


def load_file(kind: str, path: Path) -> Any:  # noqa: ANN401 - a Probe, a Region or a Patch
    """Return what a file holds that a setting names."""
    import importlib

    return getattr(importlib.import_module(f"suture.{FILES[kind]}"), kind).load(path)
