"""A ledger of edits: what was written, when, by which patch, and whether it still holds. One file, a line an edit.

    {"ledger": "suture.ledger/1", "model", "method", "settings"}
    {"number", "time", "batch", "fact", "patch", "status", "note", "again"}    a line each, in the order in which they came

An edit asks the same as another when it is about the same subject and a phrasing of one is a phrasing of the other.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from ..data.examples import Fact
from ..data.fact_formats import of_record
from ..errors import DataError, UsageError
from ..io.files import read_text, write_bytes
from ..text.letters import folded

FORM = "suture.ledger/1"
Status = Literal["holds", "lost", "superseded", "removed", "refused"]
OnConflict = Literal["newest", "oldest", "refuse"]
LIVE = ("holds", "lost")  # in the model, and to be checked


@dataclass(frozen=True)
class Edit:
    """One edit.

    Attributes:
        number: from 1, in the order of the ledger.
        time: when it was written down, UTC.
        batch: the batch it came in, from 1.
        fact: what it says.
        patch: file name of its batch's patch; empty when nothing was made, or nothing of it is left.
        status: "holds" and "lost" are in the model, right or wrong when last checked; "superseded" by a newer one; "removed";
            "refused": never made, or not kept.
        note: why.
        again: later batches in which it was written once more, because it was lost.
    """

    number: int
    time: str
    batch: int
    fact: Fact
    patch: str
    status: Status
    note: str = ""
    again: tuple[int, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it is in the model and nothing newer has taken its place."""
        return self.status in LIVE


@dataclass(frozen=True)
class Ledger:
    """All edits of a model. A value: what changes it returns another.

    Attributes:
        model: its name.
        method: that makes the patches.
        settings: of the method, as they were given.
        edits: in order.
    """

    model: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    @property
    def live(self) -> list[Edit]:
        """The edits that are in the model."""
        return [edit for edit in self.edits if edit.live]

    @property
    def files(self) -> dict[int, str]:
        """The file of the patch of each batch that is in the model, if only under something newer."""
        edits = [edit for edit in self.edits if edit.patch and edit.status not in ("removed", "refused")]
        return dict(sorted({edit.batch: edit.patch for edit in edits}.items()))

    @property
    def batches(self) -> int:
        """Number of batches so far."""
        return max((edit.batch for edit in self.edits), default=0)

    def conflicts(self, facts: Sequence[Fact]) -> list[tuple[Fact, Edit]]:
        """Return the new facts that give a question another answer than an edit in the model does, with that edit."""
        return [(f, e) for f in facts for e in self.live if same_question(f, e.fact) and f.target != e.fact.target]

    def admitted(self, facts: Sequence[Fact], on_conflict: OnConflict) -> tuple[list[Fact], Ledger]:
        """Return which of some new facts are to be written, and the ledger with what they decide about earlier ones.

        Args:
            facts: the new ones.
            on_conflict: "newest" writes them over earlier ones, which are superseded; "oldest" refuses them; "refuse" is an
                error.

        Raises:
            UsageError: for a conflict, when so asked; names both.
        """
        conflicts = self.conflicts(facts)
        if conflicts and on_conflict == "refuse":
            fact, edit = conflicts[0]
            raise UsageError(
                f"{fact.prompt!r}: {fact.target!r} contradicts edit {edit.number}",
                why=f"Batch {edit.batch} wrote {edit.fact.prompt!r}: {edit.fact.target!r}. {len(conflicts)} conflicts in all.",
                fix='Say which wins: `on_conflict="newest"`, or oldest.',
            )
        if on_conflict == "oldest":
            lost = {fact.prompt for fact, _ in conflicts}
            ledger = self
            for fact in (f for f in facts if f.prompt in lost):
                old = next(e for f, e in conflicts if f == fact)
                ledger = ledger.plus([fact], self.batches + 1, "", "refused", f"contradicts edit {old.number}")
            return [fact for fact in facts if fact.prompt not in lost], ledger
        ledger = self
        for fact, edit in conflicts:
            ledger = ledger.marked([edit.number], "superseded", f"by {fact.target!r}")
        return list(facts), ledger

    def plus(
        self,
        facts: Sequence[Fact],
        batch: int,
        patch: str,
        status: Status,
        note: str = "",
        when: datetime | None = None,
    ) -> Ledger:
        """Return the ledger with more edits at its end, made now if not said otherwise."""
        now = (when or datetime.now(timezone.utc)).isoformat(timespec="seconds")
        first = len(self.edits) + 1
        new = [Edit(first + i, now, batch, fact, patch, status, note) for i, fact in enumerate(facts)]
        return replace(self, edits=(*self.edits, *new))

    def marked(self, numbers: Sequence[int], status: Status, note: str = "") -> Ledger:
        """Return the ledger with another status of some edits."""
        chosen = {*numbers}
        return replace(
            self, edits=tuple(replace(e, status=status, note=note) if e.number in chosen else e for e in self.edits)
        )

    def lost(self, most: int, beside: Sequence[Fact] = ()) -> list[Edit]:
        """Return at most so many edits that are lost: those written least often first, then in order.

        Args:
            most: see there.
            beside: facts that are to be written now; an edit that one of them repeats is left out.
        """
        questions = {(fact.prompt, fact.subject) for fact in beside}
        edits = [e for e in self.edits if e.status == "lost" and (e.fact.prompt, e.fact.subject) not in questions]
        return sorted(edits, key=lambda edit: (len(edit.again), edit.number))[:most]

    def within(self, batch: int) -> list[Edit]:
        """Return the edits that the patch of a batch writes, its own and those it writes again."""
        edits = [edit for edit in self.edits if edit.patch and edit.status not in ("removed", "refused")]
        return [edit for edit in edits if batch in (edit.batch, *edit.again)]

    def repeated(self, numbers: Sequence[int], batch: int) -> Ledger:
        """Return the ledger with some edits written again in a batch."""
        chosen = {*numbers}
        return replace(
            self, edits=tuple(replace(e, again=(*e.again, batch)) if e.number in chosen else e for e in self.edits)
        )

    def held_by(self, batches: Container[int]) -> Ledger:
        """Return the ledger in which edits of other batches name no file: a batch of which nothing is left is in no model."""
        gone_batches = {batch for batch in self.files if batch not in batches}
        return replace(self, edits=tuple(replace(e, patch="") if e.batch in gone_batches else e for e in self.edits))

    def edit(self, number: int) -> Edit:
        """Return the edit of a number.

        Raises:
            UsageError: when there is none.
        """
        if not 1 <= number <= len(self.edits):
            raise UsageError(f"no edit {number}", why=f"The ledger holds {len(self.edits)}.", fix="Choose one of them.")
        return self.edits[number - 1]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        head = {"ledger": FORM, "model": self.model, "method": self.method, "settings": self.settings}
        lines = [head, *(asdict(edit) for edit in self.edits)]
        write_bytes(path, "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines).encode())

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Read a ledger and check all of it.

        Raises:
            DataError: naming file and line.
        """
        rows = list(_rows(path))
        if not rows or rows[0][1].get("ledger") != FORM:
            raise DataError(f"{path} is not a ledger", fix="Give the folder that suture facts wrote.")
        head = rows[0][1]
        if not isinstance(head.get("model"), str) or not isinstance(head.get("method"), str):
            raise DataError(f"{path}, line 1: no model or method", fix="Restore the file.")
        if not isinstance(head.get("settings"), dict):
            raise DataError(f"{path}, line 1, settings: not an object", fix="Restore the file.")
        edits = tuple(_edit(row, index, f"{path}, line {line}") for index, (line, row) in enumerate(rows[1:], 1))
        return cls(head["model"], head["method"], head["settings"], edits)


def same_question(first: Fact, second: Fact) -> bool:
    """Return whether two facts ask the same of the same subject."""
    if folded(first.subject) != folded(second.subject):
        return False
    prompts = [{folded(p.strip()) for p in (fact.prompt, *fact.paraphrases)} for fact in (first, second)]
    return not prompts[0].isdisjoint(prompts[1])


def _edit(row: dict[str, Any], number: int, where: str) -> Edit:
    fact = of_record(row.get("fact", {}), where)
    words = [row.get(name) for name in ("time", "patch", "note")]
    if row.get("number") != number or type(row.get("batch")) is not int or not all(isinstance(w, str) for w in words):
        raise DataError(
            f"{where}: not edit {number}", why="A number, time, patch or note is not as written.", fix="Restore it."
        )
    again = row.get("again", [])  # absent in ledgers of before
    if not isinstance(again, list) or not all(type(batch) is int for batch in again):
        raise DataError(f"{where}, again: no list of batches", fix="Restore it.")
    if row.get("status") not in get_args(Status):
        raise DataError(f"{where}, status: {row.get('status')!r} is none", fix=f"Known: {', '.join(get_args(Status))}.")
    if "/" in row["patch"] or "\\" in row["patch"]:
        raise DataError(f"{where}, patch: {row['patch']!r} is no file of this folder", fix="Restore it.")
    return Edit(number, row["time"], row["batch"], fact, row["patch"], row["status"], row["note"], tuple(again))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(read_text(path).splitlines(), 1):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as problem:
            where = f"line {number}, column {getattr(problem, 'colno', 1)}"
            raise DataError(f"{path}, {where}: not JSON", why=str(problem), fix="Restore the file.") from problem
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: not an object", fix="Restore the file.")
        yield number, row
