"""Files of facts, read as their records say (`fact_formats`); mistakes in them, and facts that contradict each other.

Every complaint names the file and the line at which the record begins, or line and column of what is no JSON. `load` refuses
a file at the first one, `survey` finds all of them and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError, UsageError
from ..io.rows import Complain, records, refuse
from ..io.unread import Unread
from ..text.letters import folded
from .examples import Fact
from .fact_formats import FORM, format_of, ripples_in
from .references import References

NOTHING = References()


def load(path: str | Path, take: int | None = None, references: str | Path | None = None) -> list[Fact]:
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
    rows = _unique(_facts(path, refuse, unread, texts), take, unread)
    unread.tell()
    facts, places = [fact for _, fact in rows], [place for place, _ in rows]
    if not facts:
        raise _none(path)
    if pair := contradiction(facts):
        raise _contradicting(path, facts, places, pair)
    return facts


@dataclass(frozen=True)
class Survey:
    """What a file holds: the facts that can be used with their places, and everything that is wrong."""

    facts: list[Fact]
    places: list[str]
    problems: list[DataError]


def survey(path: str | Path, take: int | None = None) -> Survey:
    """Read what can be read: malformed records are left out, and so are facts that contradict each other, all of them.

    Raises:
        DataError: when the file can not be read at all.
    """
    problems: list[DataError] = []
    unread = Unread(path)
    rows = _unique(_facts(path, problems.append, unread), take, unread)
    unread.tell()
    if not rows and not problems:
        raise _none(path)
    targets: dict[tuple[str, str], dict[str, int]] = {}
    for index, (_, fact) in enumerate(rows):
        targets.setdefault(_question(fact), {}).setdefault(_folded_target(fact), index)
    facts, places = [fact for _, fact in rows], [place for place, _ in rows]
    for first, *others in (list(indices.values()) for indices in targets.values()):
        problems += [_contradicting(path, facts, places, (first, other)) for other in others]
    sound = [i for i, fact in enumerate(facts) if len(targets[_question(fact)]) == 1]
    return Survey([facts[i] for i in sound], [places[i] for i in sound], problems)


def _unique(rows: Iterable[tuple[str, Fact]], take: int | None, unread: Unread) -> list[tuple[str, Fact]]:
    """Return the first `take` facts, each once: what one that is said again holds besides goes to the first."""
    unique: dict[tuple[str, str, str], tuple[str, Fact]] = {}
    for place, fact in rows if take != 0 else ():
        key = (*_question(fact), _folded_target(fact))
        if key in unique:
            unread.left_out["said before"] += 1
            first_place, first = unique[key]
            place, fact = first_place, _together(first, fact)
        unique[key] = (place, fact)
        if len(unique) == take:
            break
    return list(unique.values())


def _together(first: Fact, second: Fact) -> Fact:
    """Return a fact with what another record of it holds besides."""
    was = first.was if first.was is not None else second.was
    return replace(
        first,
        was=was,
        paraphrases=tuple(dict.fromkeys((*first.paraphrases, *second.paraphrases))),
        neighbours=tuple(dict.fromkeys((*first.neighbours, *second.neighbours))),
        openings=tuple(dict.fromkeys((*first.openings, *second.openings))),
        references=tuple(dict.fromkeys((*first.references, *second.references))),
    )


def _question(fact: Fact) -> tuple[str, str]:
    """Return what a fact answers, for comparing: capitals, normal forms and blanks aside."""
    return folded(fact.prompt.strip()), folded(fact.subject.strip())


def _folded_target(fact: Fact) -> str:
    return folded(fact.target.strip(), case=False)


def _none(path: str | Path) -> DataError:
    return DataError(f"{path} holds no facts", fix=f"Write {FORM}, a line each.")


def _contradicting(path: str | Path, facts: Sequence[Fact], places: Sequence[str], pair: tuple[int, int]) -> DataError:
    first, second = pair
    return DataError(
        f"{path}, {_both(places[first], places[second])} contradict each other",
        why=_against(facts[first], facts[second]),
        fix="Keep one of them.",
    )


def _both(first: str, second: str) -> str:
    """Return two places as one: "lines 3 and 7"."""
    if first.startswith("line ") and second.startswith("line "):
        return f"lines {first.removeprefix('line ')} and {second.removeprefix('line ')}"
    return f"{first} and {second}"


def _facts(path: str | Path, bad: Complain, unread: Unread, texts: References = NOTHING) -> Iterator[tuple[str, Fact]]:
    """Yield (place, fact); what is none is complained of."""
    for place, record in records(path, bad):
        where = f"{path}, {place}"
        try:
            form = format_of(record, where)
            unread.see(record, form.known)
            unread.see_elsewhere(record, ripples_in(record))
            for fact in form.read(record, where):
                yield place, replace(fact, references=(*fact.references, *texts.of(fact.target, record)))
        except DataError as problem:
            bad(problem)


def contradiction(facts: Sequence[Fact]) -> tuple[int, int] | None:
    """Return the first two facts that give one prompt different targets, or None."""
    firsts: dict[tuple[str, str], int] = {}
    for index, fact in enumerate(facts):
        first = firsts.setdefault(_question(fact), index)
        if _folded_target(facts[first]) != _folded_target(fact):
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
