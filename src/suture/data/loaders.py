"""What `load` of each type reads: a file, told by its name, or a named source ("patient:..", "bundled:..")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import registry
from ..errors import DataError
from ..io.rows import HUB, plain_stem, rows
from . import fact_files, instances
from .columns import Reading, labelled
from .examples import Behaviour, Fact, ResponsePair, Texts, loads
from .prompt_rows import prompts_of


@loads(Fact)
def facts(source: str | Path, take: int | None, references: str | Path | None) -> list[Fact]:
    """Return facts; see `Fact.load`."""
    return fact_files.load(source, take, references)


@loads(ResponsePair)
def pairs(source: str | Path, take: int | None) -> list[ResponsePair]:
    """Return pairs; see `ResponsePair.load`."""
    return [instance.contrast for instance in instances.load(source, take)]


@loads(Texts)
def texts(source: str | Path) -> Texts:
    """Return plain texts; see `Texts.load`."""
    if (named_source := _named_source(source)) is not None:
        content: Texts = named_source[0].texts(named_source[1])
        return content
    return Texts(row.text for row in prompts_of(source))


@loads(Behaviour)
def behaviour(
    source: str | Path, text: str | None, label: str | None, unwanted: str | None, threshold: float | None
) -> Behaviour:
    """Return labelled texts; see `Behaviour.load`."""
    source = str(source)
    if (named_source := _named_source(source)) is not None:
        content: Behaviour = named_source[0].behaviour(named_source[1])
        return content
    if "," in source and not Path(source).exists():
        return _text_pair(source)
    name = source if source.startswith(HUB) else plain_stem(source)
    return Behaviour(name, tuple(labelled(rows(source), source, Reading(text, label, unwanted, threshold))))


def _named_source(source: str | Path) -> tuple[Any, str] | None:
    """Return the named source that "NAME:PART" means, and the part; None for anything else."""
    name, colon, part = str(source).partition(":")
    return (registry.source(name), part) if colon and name in registry.sources() else None


def _text_pair(source: str) -> Behaviour:
    files = [Path(part) for part in source.split(",")]
    if len(files) != 2:
        raise DataError(f"{source}: expected two text files", fix="wanted.txt,unwanted.txt")
    texts = [[row.text for row in prompts_of(file)] for file in files]
    return Behaviour.of(plain_stem(files[1]), texts[0], texts[1])
