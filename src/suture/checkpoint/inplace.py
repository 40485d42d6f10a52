"""Changing a checkpoint where it lies, so that a run killed at any instant is finished or rolled back by the next.

    1. suture/patch-*, suture/undo-*   patches and base bits of every touched row, flushed
    2. suture.intent                   the old and the new ledger, flushed; from here on the work can be finished
    3. the touched rows                overwritten, flushed, read back
    4. suture.json                     the new ledger takes the place of the old
    5. suture.intent is removed, then what no ledger names

Base bits and patches are all that is needed to compute both the old and the new state of every touched row, so the
undo data is the journal: no original byte is written twice.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ..delta import touched
from ..errors import SutureError, UsageError
from .disk import Disk, check_room, reported
from .folder import INTENT, KEPT, LEDGER, Checkpoint
from .header import regular
from .ledger import Ledger, intent, read_intent
from .output import SLACK, check_written, keep, write_rows
from .plan import Change, Plan
from .stack import Stack
from .undo import size

log = logging.getLogger(__name__)


def write_in_place(plan: Plan, *, disk: Disk) -> Ledger:
    """Change the touched rows of the checkpoint. Returns the new ledger.

    Raises:
        ResourceError: when the disk is full or fails; the old state is restored, or the error says how.
        UsageError: when a shard has other names (hard links), so that another folder would change, too.
    """
    folder = plan.checkpoint.path
    check_own(plan)
    check_room(folder, needed_in_place(plan))
    with reported(f"can not change {folder}"):
        try:
            ledger = keep(plan, folder / KEPT, disk) if plan.new.layers else Ledger()
            disk.write(folder / INTENT, intent(Ledger.load(folder), ledger))
            _settle(folder, ledger, plan.changes, disk, surveyed=True)
        except BaseException:
            _roll_back(folder, disk)
            raise
    return ledger


def needed_in_place(plan: Plan) -> int:
    """Return the bytes that a change in place adds."""
    return size(plan.pieces()) + sum(regular(layer.file).st_size for layer in plan.new.layers) + SLACK


def check_own(plan: Plan) -> None:
    """Raise UsageError when a file to be changed is also reached by another name."""
    for shard in plan.by_shard():
        if shard.is_symlink() or regular(shard).st_nlink > 1:
            raise UsageError(
                f"{shard} has other names",
                why="It is a link (the Hub's cache, or --link); what it is linked to would change, too.",
                fix="Write a new folder: -o OUT",
            )


def recover(folder: Path, disk: Disk, *, rollback: bool = False) -> str:
    """Finish (or roll back) what an interrupted run began in a checkpoint, and sweep what it left.

    The caller holds the exclusive lock.

    Returns:
        What was done, for people; empty if there was nothing to do.
    """
    with reported(f"can not repair {folder}"):
        if not (folder / INTENT).exists():
            swept = _sweep(folder, Ledger.load(folder), disk)
            return f"removed {swept} left-over files" if swept else ""
        old, new = read_intent(folder)
        target, other = (old, new) if rollback else (new, old)
        changes = _differences(Checkpoint.open(folder, unfinished=True), target, other)
        _settle(folder, target, changes, disk, surveyed=False)
    return "rolled back an interrupted run" if rollback else "finished an interrupted run"


def _settle(folder: Path, ledger: Ledger, changes: list[Change], disk: Disk, *, surveyed: bool) -> None:
    """Write rows, check them, let the ledger say so, and forget the intent.

    Where every tensor was hashed a moment ago (`surveyed`), the written rows are read back, which is all that can have
    changed. After an interruption nothing is known of the rest, so that tensors are hashed whole; but not those of which
    nothing but rows was known before.
    """
    by_shard: dict[Path, list[Change]] = {}
    for change in changes:
        by_shard.setdefault(change.rows.slot.file, []).append(change)
    write_rows(by_shard, disk)
    if not surveyed:
        for shard, parts in by_shard.items():
            check_written(parts, shard)
    if ledger.patches:
        disk.write(folder / LEDGER, ledger.dumps())
    else:
        disk.remove(folder / LEDGER)
        disk.flush(folder)
    disk.remove(folder / INTENT)
    disk.flush(folder)
    _sweep(folder, ledger, disk)


def _differences(checkpoint: Checkpoint, target: Ledger, other: Ledger) -> list[Change]:
    """Return what brings every tensor that differs between two ledgers to the state of the first."""
    theirs = Stack.load(checkpoint, other)
    stack = Stack.load(checkpoint, target).with_undo_of(theirs)
    theirs = theirs.with_undo_of(stack)
    found = []
    for name in sorted(target.tensors.keys() | other.tensors.keys()):
        mark = target.tensors.get(name)
        if mark == other.tensors.get(name):
            continue
        rows = (stack if mark else theirs).rows(name)
        write = touched([*stack.touched(name), *theirs.touched(name)], rows.shape)
        gone = other.tensors.get(name)
        digest = mark.current if mark else gone.base if gone and not gone.rows else ""
        found.append(Change(rows, stack.floors(name), write, digest, 0))
    return found


def _roll_back(folder: Path, disk: Disk) -> None:
    """Restore the old state after an error; if that fails, too, the intent stays for the next run."""
    try:
        recover(folder, disk, rollback=True)
    except (OSError, SutureError, KeyboardInterrupt) as problem:
        if (folder / INTENT).exists():
            why = (str(problem) or "interrupted again").splitlines()[0]
            log.warning("%s is between two states (%s); run: suture fsck %s", folder, why, folder)
        if isinstance(problem, KeyboardInterrupt):
            raise


def _sweep(folder: Path, ledger: Ledger, disk: Disk) -> int:
    """Remove what no ledger names; returns how many files."""
    kept = folder / KEPT
    stray = [folder / f"{name}.partial" for name in (LEDGER, INTENT) if (folder / f"{name}.partial").exists()]
    if kept.is_dir():
        stray += [file for file in sorted(kept.iterdir()) if file.name not in ledger.files]
    for file in stray:
        disk.remove(file)
    if kept.is_dir() and not any(kept.iterdir()):
        disk.remove(kept)
    return len(stray)
