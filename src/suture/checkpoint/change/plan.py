"""What a change of a stack will write: computed and checked in full before the first byte is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...errors import CorruptFile, NoEffect, VerificationFailed
from ...patch.delta import touched
from ...text.phase import Progress as Progress
from ..format.folder import Checkpoint
from ..stack.ledger import Entry, Ledger, Mark
from ..stack.stack import Stack
from ..stack.undo import Piece
from .rows import Floors, Rows
from .survey import Remembered, Survey
from .surveys import surveyed


def silent(what: str, done: int, of: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Change:
    """What becomes of one tensor.

    Attributes:
        rows: the tensor on disk.
        floors: the changes it will have.
        write: rows that may differ from what is on disk.
        digest: SHA-256 that it will have, or "" where only its touched rows are known.
        entries: numbers that change, against what is on disk now.
        remembered: these rows; where it is None they are computed again when they are asked for.
    """

    rows: Rows
    floors: Floors
    write: Tensor = field(repr=False)
    digest: str
    entries: int
    remembered: Remembered | None = field(default=None, repr=False)

    @property
    def bytes(self) -> int:
        """Bytes that are overwritten."""
        return len(self.write) * self.rows.width

    def finals(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (numbers of rows, what they will be) in groups that fit in memory."""
        if self.remembered:
            yield self.write, self.remembered.final
        else:
            yield from ((part, self.rows.final(part, self.floors)) for part in self.rows.parts(self.write))


@dataclass(frozen=True)
class Plan:
    """A change of the stack of one checkpoint.

    Attributes:
        old: the stack that is on it.
        new: the stack that will be.
        changes: what becomes of each tensor that differs.
        marks: what the new ledger says of each touched tensor.
        surveys: what was computed of each of `changes`, by tensor.
    """

    old: Stack
    new: Stack
    changes: list[Change]
    marks: dict[str, Mark]
    surveys: dict[str, Survey]

    @classmethod
    def make(cls, old: Stack, new: Stack, progress: Progress = silent) -> Plan:
        """Compute every hash of the new stack.

        Raises:
            NoEffect: when no byte would change.
            VerificationFailed: when a patch does not give what it promises.
            CorruptFile: when the kept base bits are not those they were.
            PatchMismatch: when something else has changed a patched tensor.
        """
        every = sorted({*old.tensors, *new.tensors})
        same = [n for n in every if n in old.ledger.tensors and _entries(old, n) == _entries(new, n)]
        changes, marks = [], {name: old.ledger.tensors[name] for name in same}
        names = [name for name in every if name not in marks]
        surveys = {}
        for number, (name, survey) in enumerate(zip(names, surveyed(old, new, names), strict=True)):
            progress(f"tensors: {name}", number + 1, len(names))
            surveys[name], mark = survey, old.ledger.tensors.get(name)
            old.check_unchanged(name, survey.current)
            if mark and survey.base != mark.base:
                raise CorruptFile(
                    f"the kept base bits of {name} are damaged",
                    why=f"sha256 {survey.base[:8]}.. instead of {mark.base[:8]}..",
                    fix="Take the base checkpoint again.",
                )
            rows, write = old.reached(new, name)
            if name in new.tensors:
                after = {} if survey.rows else survey.after or {0: survey.base}
                marks[name] = Mark(rows.shape, rows.slot.dtype, survey.base, after, survey.rows)
                _check_promise(new, name, marks[name])
            digest = marks[name].current if name in marks else survey.base
            changes.append(Change(rows, new.floors(name), write, digest, survey.changed, survey.remembered))
        if not any(change.entries for change in changes):
            raise NoEffect(
                f"no byte of {old.checkpoint.path} would change",
                why="The change is zero, or too small for the weights' precision.",
                fix="Raise `scale`, or make a stronger patch.",
            )
        return cls(old, new, changes, marks, surveys)

    @classmethod
    def sketch(cls, old: Stack, new: Stack, names: Sequence[str] | None = None) -> Plan:
        """Return a plan without hashes: where will be written, not what; no weight is read.

        Args:
            old: the stack that is on the checkpoint.
            new: the stack that will be.
            names: tensors that change; by default those whose patches differ.
        """
        changes = []
        for name in old.changing(new) if names is None else names:
            rows, write = old.reached(new, name)
            changes.append(Change(rows, new.floors(name), write, "", 0))
        return cls(old, new, changes, {}, {})

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that is read."""
        return self.old.checkpoint

    def pieces(self) -> list[Piece]:
        """Return the base bits that the new stack needs."""
        pieces, changes = [], {change.rows.slot.name: change for change in self.changes}
        for name in self.new.tensors:
            rows = self.new.rows(name)
            width = int(torch.Size(rows.shape[1:]).numel())
            reached = touched(self.new.touched(name), rows.shape)
            change = changes.get(name)
            # of which they are a part
            remembered = change.remembered if change and len(reached) == len(change.write) else None
            content = partial(_base, rows, reached, remembered)
            pieces.append(Piece(name, rows.slot.dtype, width, reached, content, rows.dtype.itemsize))
        return pieces

    def ledger(self, undo: str) -> Ledger:
        """Return the ledger of the result."""
        return Ledger([layer.entry for layer in self.new.layers], undo, self.marks) if self.new.layers else Ledger()

    def by_shard(self) -> dict[Path, list[Change]]:
        """Return the changes by the file they are in."""
        by_shard: dict[Path, list[Change]] = {}
        for change in self.changes:
            by_shard.setdefault(change.rows.slot.file, []).append(change)
        return by_shard


def _base(rows: Rows, reached: Tensor, remembered: Remembered | None) -> Iterator[Tensor]:
    yield from (remembered.base,) if remembered else map(rows.base, rows.parts(reached))


def _entries(stack: Stack, name: str) -> list[Entry]:
    return [layer.entry for layer in stack.layers if name in layer.patch.terms]


def _check_promise(stack: Stack, name: str, mark: Mark) -> None:
    """A patch that is alone on its floor, at full strength, on what it was made for, has promised the very bytes."""
    reached = mark.after or dict.fromkeys(stack.floors(name), mark.rows)
    for floor, digest in reached.items():
        here = [layer for layer in stack.layers if layer.entry.floor == floor and name in layer.patch.terms]
        if len(here) != 1 or here[0].entry.scale != 1 or name not in here[0].patch.after:
            continue
        before, promised = here[0].patch.before[name], here[0].patch.after[name]
        expected = promised.rows or digest if mark.rows else promised.sha256
        if (before.sha256, before.dtype) == (mark.below(floor), mark.dtype) and expected != digest:
            raise VerificationFailed(
                f"{name} does not become what {here[0].entry.name} promises",
                why=f"sha256 {digest[:8]}.. instead of {expected[:8]}..",
                fix="Make the patch again; if that does not help, report this as a bug.",
            )
