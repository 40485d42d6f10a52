"""Files of facts, read as their records say (`fact_formats`); mistakes in them, and facts that contradict each other.

Every complaint names the file and the line at which the record begins, or line and column of what is no JSON. `load` refuses
a file at the first one, `survey` finds all of them and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ..errors import DataError, UsageError
from ..io.json_records import Complain, records, refuse
from ..io.unread import Unread
from .examples import Fact
from .fact_formats import format_of
from .references import References

NOTHING = References()


def load(path: Path, take: int | None = None, references: Path | None = None) -> list[Fact]:
    """Read facts.

    Args:
        path: of the file.
        take: only the first so many; the rest is not looked at.
        references: of a file with texts by object, see `References`.

    Raises:
        DataError: naming file and line, for what is no fact, and for two facts that contradict each other.
    """
    texts = References.load(references) if references else NOTHING
    unread = Unread(path)
    rows = list(islice(_facts(path, refuse, unread, texts), take))
    unread.tell()
    facts, lines = [fact for _, fact in rows], [line for line, _ in rows]
    if not facts:
        raise _none(path)
    if pair := contradiction(facts):
        raise _contradicting(path, facts, lines, pair)
    return facts


@dataclass(frozen=True)
class Survey:
    """What a file holds: the facts that can be used with their lines, and everything that is wrong."""

    facts: list[Fact]
    lines: list[int]
    problems: list[DataError]


def survey(path: Path, take: int | None = None) -> Survey:
    """Read what can be read: malformed records are left out, and so are facts that contradict each other, all of them.

    Raises:
        DataError: when the file can not be read at all.
    """
    problems: list[DataError] = []
    unread = Unread(path)
    rows = list(islice(_facts(path, problems.append, unread), take))
    unread.tell()
    if not rows and not problems:
        raise _none(path)
    targets: dict[tuple[str, str], dict[str, int]] = {}
    for index, (_, fact) in enumerate(rows):
        targets.setdefault((fact.prompt, fact.subject), {}).setdefault(fact.target, index)
    facts, lines = [fact for _, fact in rows], [line for line, _ in rows]
    for first, *others in (list(indices.values()) for indices in targets.values()):
        problems += [_contradicting(path, facts, lines, (first, other)) for other in others]
    sound = [i for i, fact in enumerate(facts) if len(targets[fact.prompt, fact.subject]) == 1]
    return Survey([facts[i] for i in sound], [lines[i] for i in sound], problems)


def _none(path: Path) -> DataError:
    return DataError(f"{path} holds no facts", fix='Write a line each: {"prompt": ..., "subject": ..., "target": ...}')


def _contradicting(path: Path, facts: Sequence[Fact], lines: Sequence[int], pair: tuple[int, int]) -> DataError:
    first, second = pair
    return DataError(
        f"{path}, lines {lines[first]} and {lines[second]} contradict each other",
        why=_against(facts[first], facts[second]),
        fix="Keep one of them.",
    )


def _facts(path: Path, bad: Complain, unread: Unread, texts: References = NOTHING) -> Iterator[tuple[int, Fact]]:
    """Yield (line, fact); what is none is complained of."""
    for line, record in records(path, bad):
        where = f"{path}, line {line}"
        try:
            form = format_of(record, where)
            unread.see(record, form.known)
            for fact in form.read(record, where):
                yield line, replace(fact, references=(*fact.references, *texts.of(fact.target, record)))
        except DataError as problem:
            bad(problem)


def contradiction(facts: Sequence[Fact]) -> tuple[int, int] | None:
    """Return the first two facts that give one prompt different targets, or None."""
    firsts: dict[tuple[str, str], int] = {}
    for index, fact in enumerate(facts):
        first = firsts.setdefault((fact.prompt, fact.subject), index)
        if facts[first].target != fact.target:
            return first, index
    return None


def agreeing(facts: Sequence[Fact]) -> list[Fact]:
    """Return facts as a list.

    Raises:
        UsageError: when there are none, or two contradict each other.
    """
    if not facts:
        raise UsageError("no facts to write", fix="Give at least one.")
    if pair := contradiction(facts):
        first, second = (facts[i] for i in pair)
        raise UsageError(
            f"facts {pair[0]} and {pair[1]} contradict each other", why=_against(first, second), fix="Keep one of them."
        )
    return list(facts)


def _against(first: Fact, second: Fact) -> str:
    return f"{first.prompt!r} can not be completed by both {first.target!r} and {second.target!r}."
