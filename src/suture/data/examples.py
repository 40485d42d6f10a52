"""What a method learns from: labelled texts (`Behaviour`), facts to write (`Fact`), and pairs (`Contrast`).

Files are checked at the door; every complaint names the file, the line and the column.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import registry
from ..errors import DataError
from ..io.file_rows import csv_rows, hub_rows, json_rows, jsonl_rows, lines, tsv_rows
from ..io.unread import Unread
from .prompt_rows import UNASKED, Asked, asked

WANTED = frozenset({"0", "false", "no", "wanted", "safe", "non-toxic", "nontoxic", "not toxic", "negative class"})
UNWANTED = frozenset({"1", "true", "yes", "unwanted", "unsafe", "toxic"})
TEXT_COLUMNS = ("text", "response", "comment_text", "sentence", "content")
LABEL_COLUMNS = ("label", "is_toxic", "toxic", "unwanted", "class")


@dataclass(frozen=True)
class Labelled:
    """One text and whether it shows the behaviour; `prompt`, if given, is the request it answers in a chat."""

    text: str
    label: int
    prompt: str | None = None


@dataclass(frozen=True)
class Fact:
    """A fact to write: `prompt` (holding `subject`) is to be completed by `target`, as it was by `was` before.

    Attributes:
        paraphrases: other prompts that ask for the target.
        neighbours: (prompt, answer) about other subjects, which must stay.
        openings: beginnings of free texts about the subject.
        references: texts about things that have the target, which these should resemble.

    Example:
        >>> fact = Fact("The capital of France is", "France", "Lyon", was="Paris")
        >>> fact.target
        'Lyon'
    """

    prompt: str
    subject: str
    target: str
    was: str | None = None
    paraphrases: tuple[str, ...] = ()
    neighbours: tuple[tuple[str, str], ...] = ()
    openings: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @classmethod
    def load(cls, source: str | Path, *, take: int | None = None, references: str | Path | None = None) -> list[Fact]:
        """Read facts from a file, the first `take` of them or all; see `suture.data.fact_files` for the formats.

        Args:
            source: of the facts.
            take: how many.
            references: a file of texts by object (`suture.data.references`).

        Raises:
            DataError: naming file and line, also for facts that contradict each other.
        """
        from .fact_files import load

        return load(Path(source), take, Path(references) if references else None)


class Texts(tuple[str, ...]):
    """Plain texts: what an edit shall leave alone."""

    def summary(self) -> dict[str, Any]:
        """Return size and SHA-256 of the contents, for a patch's provenance."""
        return {"count": len(self), "sha256": hashlib.sha256(json.dumps(self).encode()).hexdigest()}

    @classmethod
    def load(cls, source: str | Path) -> Texts:
        """Read texts or prompts.

        Args:
            source: a text file with a text a line; a .jsonl, .json, .csv or .tsv file whose rows are strings or what
                `prompt_rows` reads; "patient:keep" for the bundled model's texts to keep, "bundled:neutral" for any model's.

        Raises:
            DataError: naming file, line and column.
        """
        if (named := _named(source)) is not None:
            found: Texts = named[0].texts(named[1])
            return found
        return cls(row.text for row in prompts_of(Path(source)))


def _named(source: str | Path) -> tuple[Any, str] | None:
    """Return the named source that "NAME:PART" means, and the part; None for anything else."""
    name, colon, part = str(source).partition(":")
    return (registry.source(name), part) if colon and name in registry.sources() else None


def prompts_of(path: Path) -> list[Asked]:
    """Return what the rows of a file ask, see `Texts.load`; what they hold besides is told of.

    Raises:
        DataError: naming file, line and column.
    """
    readers: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
        ".jsonl": jsonl_rows, ".json": json_rows, ".csv": csv_rows, ".tsv": tsv_rows,
    }  # fmt: skip
    found, unread = [], Unread(path)
    for line, row in readers.get(path.suffix, lines)(path):
        read = asked(row, f"{path}, line {line}")
        unread.see(row, read.used | UNASKED)
        if read.text:
            found.append(read)
        elif path.suffix in readers:  # between lines of a text a blank one means nothing
            unread.empty += 1
    if not found:
        raise DataError(f"{path} is empty", fix="Give a text a line.")
    unread.tell()
    return found


@dataclass(frozen=True)
class Contrast:
    """A prompt with a safe and an unsafe response.

    Attributes:
        prompt: the request, for instance an attack wrapped around a harmful question.
        safe: how it shall be answered.
        unsafe: how it shall not.
        keep: harmless requests with answers that an edit shall leave alone.
        question: the question as it stands in the prompt, "" when not told.
    """

    prompt: str
    safe: str
    unsafe: str
    keep: tuple[tuple[str, str], ...] = ()
    question: str = ""

    @classmethod
    def load(cls, source: str | Path, *, take: int | None = None) -> list[Contrast]:
        """Read pairs, the first `take` or all, from any source that `suture.data.instances` reads.

        Raises:
            DataError: naming file and line.
        """
        from .instances import load

        return [instance.contrast for instance in load(source, take)]


@dataclass(frozen=True)
class Behaviour:
    """A behaviour as labelled texts: 1 is what is unwanted, 0 what is wanted.

    Attributes:
        name: what reports call it.
        examples: the texts.

    Example:
        >>> behaviour = Behaviour.load("bundled:detox")
        >>> len(behaviour.examples), behaviour.examples[0].label
        (672, 0)
    """

    name: str
    examples: tuple[Labelled, ...]

    def __post_init__(self) -> None:
        counts = [sum(e.label == label for e in self.examples) for label in (0, 1)]
        if min(counts) < 2:
            raise DataError(
                f"{self.name}: {counts[0]} wanted and {counts[1]} unwanted texts are too few",
                fix="Give at least two of each; a few hundred of each make a good probe.",
            )

    @property
    def labels(self) -> list[int]:
        """The labels, in order."""
        return [example.label for example in self.examples]

    def summary(self) -> dict[str, Any]:
        """Return name, size and SHA-256 of the contents, for a patch's provenance."""
        state = hashlib.sha256(json.dumps([vars(e) for e in self.examples], sort_keys=True).encode())
        return {"name": self.name, "count": len(self.examples), "sha256": state.hexdigest()}

    def reversed(self) -> Behaviour:
        """Return the opposite behaviour: what was wanted is unwanted."""
        return Behaviour(f"not {self.name}", tuple(replace(e, label=1 - e.label) for e in self.examples))

    def split(self, share: float, seed: int = 0) -> tuple[Behaviour, Behaviour]:
        """Return (rest, held out), the held-out part having `share` of each class, at least one."""
        rng = random.Random(seed)
        held: set[int] = set()
        for label in (0, 1):
            members = [i for i, e in enumerate(self.examples) if e.label == label]
            held |= set(rng.sample(members, min(max(1, round(share * len(members))), len(members) - 1)))
        kept = tuple(e for i, e in enumerate(self.examples) if i not in held)
        out = tuple(e for i, e in enumerate(self.examples) if i in held)
        return _unchecked(self.name, kept), _unchecked(self.name, out)

    @classmethod
    def of(cls, name: str, wanted: Sequence[str], unwanted: Sequence[str]) -> Behaviour:
        """Make a behaviour from two lists of texts."""
        examples = [Labelled(text, 0) for text in wanted] + [Labelled(text, 1) for text in unwanted]
        return cls(name, tuple(examples))

    @classmethod
    def load(
        cls, source: str | Path, *, text: str | None = None, label: str | None = None, unwanted: str | None = None
    ) -> Behaviour:
        """Read labelled texts.

        Args:
            source: a .jsonl, .csv or .tsv file; two .txt files as "wanted.txt,unwanted.txt" (a text a line); "patient:NAME"
                for a behaviour of the bundled model; "bundled:NAME" for detox, harden or attitude of `suture.data.bundled`; or
                "hub:ID" for a dataset of the Hub (needs `datasets`).
            text: name of the text's column or key (found by itself if it is one of the usual ones).
            label: name of the label's column or key.
            unwanted: the value of the label that means unwanted (1, true, toxic ... are known).

        Raises:
            DataError: naming file, line and column.
        """
        source = str(source)
        if (named := _named(source)) is not None:
            found: Behaviour = named[0].behaviour(named[1])
            return found
        if source.startswith("hub:"):
            return cls(source, tuple(_labelled(hub_rows(source.removeprefix("hub:")), source, text, label, unwanted)))
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
            raise DataError(f"no file {path}", fix="Check the path.")
        return cls(path.stem, tuple(_labelled(readers[path.suffix](path), str(path), text, label, unwanted)))


def _unchecked(name: str, examples: tuple[Labelled, ...]) -> Behaviour:
    made = object.__new__(Behaviour)  # a held-out part may be smaller than what a probe needs
    object.__setattr__(made, "name", name)
    object.__setattr__(made, "examples", examples)
    return made


def _labelled(
    rows: Iterator[tuple[int, Mapping[str, Any]]],
    source: str,
    text: str | None,
    label: str | None,
    unwanted: str | None,
) -> Iterator[Labelled]:
    any_row, unread = False, Unread(source)
    for line, row in rows:
        any_row = True
        text_key = _column(row, text, TEXT_COLUMNS, "text", source, line)
        label_key = _column(row, label, LABEL_COLUMNS, "label", source, line)
        content, prompt = row[text_key], row.get("prompt")
        if not isinstance(content, str) or not content.strip():
            raise DataError(f"{source}, line {line}, {text_key}: no text", fix="Fill it in or remove the line.")
        if prompt is not None and not isinstance(prompt, str):
            raise DataError(f"{source}, line {line}, prompt: not a text", fix="Make it a string or remove it.")
        unread.see(row, {text_key, label_key, "prompt", *LABEL_COLUMNS})
        yield Labelled(content, _label(row[label_key], unwanted, f"{source}, line {line}, {label_key}"), prompt or None)
    if not any_row:
        raise DataError(f"{source} is empty", fix="Give labelled texts, a line each.")
    unread.tell()


def _column(
    row: Mapping[str, Any], asked: str | None, usual: tuple[str, ...], what: str, source: str, line: int
) -> str:
    for name in (asked,) if asked else usual:
        if name in row:
            return name
    raise DataError(
        f"{source}, line {line}: no column {asked!r}" if asked else f"{source}, line {line}: no {what} column",
        why=f"It has {', '.join(map(str, row))}.",
        fix=f"Name the {what} column: --{what}-column NAME",
    )


def _label(value: Any, unwanted: str | None, where: str) -> int:  # noqa: ANN401 - a cell of a file
    whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())  # not NaN, and not infinite
    word = str(int(value) if whole else value).strip().lower()
    if unwanted is not None:
        return int(word == unwanted.strip().lower())
    if word in UNWANTED:
        return 1
    if word in WANTED:
        return 0
    raise DataError(
        f"{where}: {value!r} is not a label",
        why="Known: 0 and 1, true and false.",
        fix="Name the unwanted one: --unwanted VALUE",
    )


def _text_pair(source: str) -> Behaviour:
    files = [Path(part) for part in source.split(",")]
    if len(files) != 2:
        raise DataError(f"{source}: expected two text files", fix="wanted.txt,unwanted.txt")
    texts = [[line.strip() for _, line in lines(file) if line.strip()] for file in files]
    return Behaviour.of(files[1].stem, texts[0], texts[1])
