"""What docstrings need on a page: shared settings and values in place of names, and formulas as blocks of their own."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Resolved(griffe.Extension):
    """Changes the signatures and the modules' docstrings of methods and locators."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:  # noqa: ANN401 - griffe's own
        """Go over the functions that become options of the command line."""
        for room in ("methods", "locate"):
            for module in pkg[room].modules.values():
                if module.docstring:
                    module.docstring.value = _apart(module.docstring.value)
                for function in module.functions.values():
                    _spell_out(pkg, function)
                    for each in function.parameters:
                        each.default = _value(pkg, each.default)
                        each.annotation = _choices(pkg, each.annotation)


def _spell_out(pkg: griffe.Module, function: griffe.Function) -> None:
    """Put the keywords of `**shared: Unpack[SHARED]` in its place, as `suture.registry` does, with their docstrings."""
    star = next((p for p in function.parameters if p.kind is griffe.ParameterKind.var_keyword), None)
    if star is None or not isinstance(star.annotation, griffe.ExprSubscript) or str(star.annotation.left) != "Unpack":
        return
    del function.parameters[star.name]
    told = []
    for each in _made_of(pkg, star.annotation.slice):
        told.append((each.docstring.value if each.docstring else "").partition("Attributes:\n")[2])
        for name, attribute in each.members.items():
            kind, default = attribute.annotation.slice.elements  # Annotated[TYPE, DEFAULT]
            keyword = griffe.ParameterKind.keyword_only
            function.parameters.add(griffe.Parameter(name, annotation=kind, kind=keyword, default=default))
    lines = "\n".join(filter(None, told))
    function.docstring.value = re.sub(
        rf"^ *{star.name}: .*$", lambda _: lines, function.docstring.value, flags=re.MULTILINE
    )


def _made_of(pkg: griffe.Module, named: Any) -> list[griffe.Class]:  # noqa: ANN401 - an expression of griffe's
    """Return a class of the package behind those that it is made of."""
    if not named.canonical_path.startswith(f"{pkg.name}."):
        return []
    found = pkg[named.canonical_path.removeprefix(f"{pkg.name}.")]
    return [*(each for base in found.bases for each in _made_of(pkg, base)), found]


def _apart(text: str) -> str:
    """Return a docstring with its indented lines, which are formulas, set apart by empty lines."""
    return re.sub(r"(?:^ {4}.*\n?)+", lambda lines: f"\n{lines[0].rstrip()}\n\n", text, flags=re.MULTILINE)


def _value(pkg: griffe.Module, named: Any) -> Any:  # noqa: ANN401 - an expression of griffe's, or text
    """Return what a name stands for, as far as it is written down; else what was given."""
    while isinstance(named, (griffe.ExprName, griffe.ExprAttribute)):
        found = _target(pkg, named)
        if found is None or found.value is None:
            return named
        named = found.value
    return named


def _choices(pkg: griffe.Module, named: Any) -> Any:  # noqa: ANN401 - an expression of griffe's, or text
    """Return an annotation with `Literal[...]` for each name in it that stands for one."""
    if isinstance(named, griffe.ExprBinOp):  # A | None
        named.left, named.right = _choices(pkg, named.left), _choices(pkg, named.right)
    if not isinstance(named, griffe.ExprName):
        return named
    value = _value(pkg, named)
    return value if isinstance(value, griffe.ExprSubscript) and str(value.left).endswith("Literal") else named


def _target(pkg: griffe.Module, named: Any) -> griffe.Attribute | None:  # noqa: ANN401 - an expression of griffe's
    path = named.canonical_path
    if not path.startswith(f"{pkg.name}."):
        return None
    try:
        found = pkg[path.removeprefix(f"{pkg.name}.")]
        found = found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError):
        return None
    return found if found.is_attribute else None
