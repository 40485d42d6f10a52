"""What `load` of each type reads: a file, told by its name, or a named source ("patient:..", "bundled:..")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import registry
from ..errors import DataError, MissingFile
from ..io.file_rows import csv_rows, hub_rows, jsonl_rows, lines, tsv_rows
from . import fact_files, instances
from .columns import labelled
from .examples import Behaviour, Fact, ResponsePair, Texts, loads
from .prompt_rows import prompts_of


@loads(Fact)
def facts(source: str | Path, take: int | None, references: str | Path | None) -> list[Fact]:
    """Return facts; see `Fact.load`."""
    return fact_files.load(Path(source), take, Path(references) if references else None)


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
    return Texts(row.text for row in prompts_of(Path(source)))


@loads(Behaviour)
def behaviour(source: str | Path, text: str | None, label: str | None, unwanted: str | None) -> Behaviour:
    """Return labelled texts; see `Behaviour.load`."""
    source = str(source)
    if (named_source := _named_source(source)) is not None:
        content: Behaviour = named_source[0].behaviour(named_source[1])
        return content
    if source.startswith("hub:"):
        return Behaviour(source, tuple(labelled(hub_rows(source.removeprefix("hub:")), source, text, label, unwanted)))
    if "," in source and not Path(source).exists():
        return _text_pair(source)
    path = Path(source)
    readers: dict[str, Callable[[Path], Iterator[tuple[int, Mapping[str, Any]]]]] = {
        ".jsonl": jsonl_rows, ".csv": csv_rows, ".tsv": tsv_rows,
    }  # fmt: skip
    if path.suffix not in readers:
        raise DataError(
            f"can not tell what {source} is",
            why="Known: .jsonl, .csv, .tsv, wanted.txt,unwanted.txt, bundled:NAME, hub:ID.",
            fix="Rename the file, or convert it.",
        )
    if not path.is_file():
        raise MissingFile(f"no file {path}", fix="Check the path.")
    return Behaviour(path.stem, tuple(labelled(readers[path.suffix](path), str(path), text, label, unwanted)))


def _named_source(source: str | Path) -> tuple[Any, str] | None:
    """Return the named source that "NAME:PART" means, and the part; None for anything else."""
    name, colon, part = str(source).partition(":")
    return (registry.source(name), part) if colon and name in registry.sources() else None


def _text_pair(source: str) -> Behaviour:
    files = [Path(part) for part in source.split(",")]
    if len(files) != 2:
        raise DataError(f"{source}: expected two text files", fix="wanted.txt,unwanted.txt")
    texts = [[line.strip() for _, line in lines(file) if line.strip()] for file in files]
    return Behaviour.of(files[1].stem, texts[0], texts[1])
