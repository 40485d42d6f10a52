"""What a method learns from: labelled texts (`Behaviour`), facts to write (`Fact`), pairs (`ResponsePair`), and plain texts.

Types alone: they know no file. What their `load` reads is in `loaders`, above the readers, which make such values.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DataError

Loader = TypeVar("Loader", bound=Callable[..., Any])
_LOADERS: dict[type, Callable[..., Any]] = {}


def loads(kind: type) -> Callable[[Loader], Loader]:
    """Mark the function that reads what `kind.load` is asked for."""

    def mark(function: Loader) -> Loader:
        _LOADERS[kind] = function
        return function

    return mark


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
        facts: list[Fact] = _LOADERS[Fact](source, take, references)
        return facts


class Texts(tuple[str, ...]):
    """Plain texts: what an edit shall leave alone."""

    def summary(self) -> dict[str, Any]:
        """Return size and SHA-256 of the contents, for a patch's provenance."""
        return {"count": len(self), "sha256": hashlib.sha256(json.dumps(self).encode()).hexdigest()}

    @classmethod
    def load(cls, source: str | Path) -> Texts:
        """Read texts or prompts.

        Args:
            source: a file whose rows are texts or what `prompt_rows` reads (see `suture.io.rows` for the kinds of files);
                "patient:keep" for the bundled model's texts to keep, "bundled:neutral" for any model's; or "hub:ID".

        Raises:
            DataError: naming file, line and column.
        """
        texts: Texts = _LOADERS[Texts](source)
        return texts


@dataclass(frozen=True)
class ResponsePair:
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
    def load(cls, source: str | Path, *, take: int | None = None) -> list[ResponsePair]:
        """Read pairs, the first `take` or all, from any source that `suture.data.instances` reads.

        Raises:
            DataError: naming file and line.
        """
        pairs: list[ResponsePair] = _LOADERS[ResponsePair](source, take)
        return pairs


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
        held_out: set[int] = set()
        for label in (0, 1):
            members = [i for i, e in enumerate(self.examples) if e.label == label]
            held_out |= set(rng.sample(members, min(max(1, round(share * len(members))), len(members) - 1)))
        rest = tuple(e for i, e in enumerate(self.examples) if i not in held_out)
        out = tuple(e for i, e in enumerate(self.examples) if i in held_out)
        return _unchecked_behaviour(self.name, rest), _unchecked_behaviour(self.name, out)

    @classmethod
    def of(cls, name: str, wanted: Sequence[str], unwanted: Sequence[str]) -> Behaviour:
        """Make a behaviour from two lists of texts."""
        examples = [Labelled(text, 0) for text in wanted] + [Labelled(text, 1) for text in unwanted]
        return cls(name, tuple(examples))

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        text: str | None = None,
        label: str | None = None,
        unwanted: str | None = None,
        threshold: float | None = None,
    ) -> Behaviour:
        """Read labelled texts.

        Args:
            source: a file of rows with a text and a label, or with a better and a worse answer (see `suture.io.rows` for the
                kinds of files); two of texts as "wanted.txt,unwanted.txt"; "patient:NAME" for a behaviour of the bundled model;
                "bundled:NAME" for detox, harden or attitude of `suture.data.bundled`; or "hub:ID" for a data set of the Hub
                (needs `datasets`).
            text: name of the text's column or key (found by itself if it is one of the usual ones).
            label: name of the label's column or key.
            unwanted: the value of the label that means unwanted (1, true, toxic ... are known).
            threshold: where labels are scores, the one from which a text is unwanted.

        Raises:
            DataError: naming file, line and column.
        """
        behaviour: Behaviour = _LOADERS[Behaviour](source, text, label, unwanted, threshold)
        return behaviour


def _unchecked_behaviour(name: str, examples: tuple[Labelled, ...]) -> Behaviour:
    behaviour = object.__new__(Behaviour)  # a held-out part may be smaller than what a probe needs
    object.__setattr__(behaviour, "name", name)
    object.__setattr__(behaviour, "examples", examples)
    return behaviour
