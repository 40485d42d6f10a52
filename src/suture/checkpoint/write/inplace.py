"""Changing a checkpoint where it lies, so that a run killed at any instant is finished or rolled back by the next.

    1. suture.begun                    what is in suture/ already, and the patches before and after; see `begun`
    2. suture/patch-*, suture/undo-*   patches and base bits of every touched row, flushed
    3. suture.intent                   the old and the new ledger, flushed; from here on the work can be finished
    4. the touched rows                overwritten, flushed, read back
    5. suture.json                     the new ledger takes the place of the old: the change is complete
    6. suture.intent is removed, then what only the old ledger needs, last suture.begun

Base bits and patches are all that is needed to compute both the old and the new state of every touched row, so the
undo data is the journal: no original byte is written twice.

As suture.begun goes last, a run that was killed when its change was complete is known as one, and the same command, given
again, does nothing more (see `repeated`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...errors import SutureError, UsageError
from ...io.system import reported
from ...patch.delta import touched
from ...text.printable import command_line
from ..change.begun import INTERRUPTED, Begun, afterwards, begin, check_kept, plain, read_begun
from ..change.plan import Change, Plan
from ..format.folder import BEGUN, INTENT, KEPT, LEDGER, Checkpoint, told_intent
from ..stack.ledger import Entry, Ledger, intent, read_intent
from ..stack.stack import Stack
from .allowed import WRITABLE, check_in_place, needed_in_place
from .deferred_signals import deferred_signals
from .disk import Disk, check_room
from .output import keep
from .writing import check_written, standing, write_rows

FINISHED, ROLLED_BACK = "finished an interrupted run", "rolled back an interrupted run"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recovered:
    """What an interrupted run had left.

    Attributes:
        notes: what was done about it, for people; empty if there was nothing to do.
        old: the patches before that run.
        new: the patches after it; the same where its change was not made.
    """

    notes: tuple[str, ...] = ()
    old: tuple[Entry, ...] = ()
    new: tuple[Entry, ...] = ()


def write_in_place(plan: Plan, *, disk: Disk) -> list[str]:
    """Change the touched rows of the checkpoint. Returns what could not be cleared away when that was done.

    Raises:
        ResourceError: when the disk is full or fails; the old state is restored, or the error says how.
        UsageError: when something can not be written, or is in the way; see `check_in_place`.
    """
    folder, ledger, notes = plan.checkpoint.path, None, list[str]()
    check_in_place(plan, disk)
    check_room(folder, needed_in_place(plan))
    with reported(f"can not change {folder}", fix=WRITABLE):
        old = Ledger.load(folder)
        try:
            begun = _begin(folder, old, [layer.entry for layer in plan.new.layers], disk)
            new = keep(plan, folder / KEPT, begun, disk) if plan.new.layers else Ledger()
            disk.write(folder / INTENT, intent(old, new), folder / KEPT / begun.under_way("intent"))
            _settle(folder, new, plan.changes, begun, disk, surveyed=True)
            ledger = new
            with (
                deferred_signals()
            ):  # until the intent is gone it is rolled back; from then on nothing of it stays behind
                notes = _remove_intent(folder, disk) or afterwards(
                    lambda: _clear(folder, new, begun, disk, old.files), folder
                )
        except BaseException as problem:
            if ledger is None or (folder / INTENT).exists():
                _roll_back(folder, disk)
                raise
            if not isinstance(problem, KeyboardInterrupt):
                raise
            notes.append(INTERRUPTED)
    return notes


def leftovers(folder: Path, *, in_place: bool) -> Recovered:
    """Return what an interrupted run left in a checkpoint, changing nothing.

    Args:
        folder: the checkpoint.
        in_place: it is to be changed; a new folder can be made also beside a note that is not ours.

    Raises:
        UsageError: when the checkpoint is between two states, or such a note is in the way.
    """
    if (folder / INTENT).exists():
        raise UsageError(
            f"{folder} is between two states",
            why="A change in place was interrupted, and a dry run changes nothing: it does not finish it either.",
            fix=f"Finish it: {command_line('fsck', folder)}    or roll it back: {command_line('fsck', folder, '--rollback')}",
        )
    try:
        begun = read_begun(folder)
    except UsageError:
        if in_place:
            raise
        return Recovered()
    if begun is None:
        return Recovered()
    done = _was_done(begun, Ledger.load(folder))
    note = "an interrupted run left files; the next change in place, or suture fsck, removes them"
    return Recovered(
        (note, *(_summary(begun.old, begun.new) if done else ())), begun.old if done else begun.new, begun.new
    )


def recover(folder: Path, disk: Disk, *, rollback: bool = False) -> Recovered:
    """Finish (or roll back) what an interrupted run began in a checkpoint, and remove what it left.

    The caller holds the exclusive lock.

    Raises:
        UsageError: when something is in the way that suture did not write.
        ResourceError: when the disk is full or fails; the next run goes on.
    """
    with reported(f"can not repair {folder}", fix=WRITABLE):
        begun = read_begun(folder)
        if not (folder / INTENT).exists():
            return Recovered() if begun is None else _clear_leftovers(folder, begun, disk)
        old, new = read_intent(folder)
        check_kept(folder)
        if begun is None or not begun.token:  # suture 0.1.0 wrote no such note
            disk.remove(folder / BEGUN)
            begun = _begin(folder, old, new.patches, disk, new.files)
        target, other = (old, new) if rollback else (new, old)
        changes = _differences(Checkpoint.open(folder, unfinished=True), target, other)
        _remove(folder, [name for name in _leftovers(folder, begun) if name.endswith(".partial")], disk)
        _settle(folder, target, changes, begun, disk, surveyed=False)
        with deferred_signals():
            disk.remove(folder / INTENT)
            _clear(folder, target, begun, disk, {**old.files, **new.files})
    if rollback:
        return Recovered((ROLLED_BACK,), tuple(old.patches), tuple(old.patches))
    return Recovered((FINISHED, *_summary(old.patches, new.patches)), tuple(old.patches), tuple(new.patches))


def would_recover(folder: Path, disk: Disk, *, rollback: bool) -> list[str]:
    """Return what `recover` would do, changing nothing; it raises what that would raise before its first change.

    The caller holds a lock.
    """
    begun = read_begun(folder)
    if not (folder / INTENT).exists():
        return [] if begun is None else ["would remove what an interrupted run left"]
    old, new = read_intent(folder)
    check_kept(folder)
    target, other = (old, new) if rollback else (new, old)
    for shard, parts in _by_shard(_differences(Checkpoint.open(folder, unfinished=True), target, other)).items():
        if not standing(parts):
            disk.check(shard)
    return [f"would {'roll back' if rollback else 'finish'} an interrupted run: {told_intent(folder)}"]


def _begin(folder: Path, old: Ledger, new: Collection[Entry], disk: Disk, more: Collection[str] = ()) -> Begun:
    kept = folder / KEPT
    there = {file.name for file in kept.iterdir()} if kept.is_dir() else set()
    return begin(folder, disk, there=sorted(there - {*old.files, *more}), old=old.patches, new=new)


def _was_done(begun: Begun, now: Ledger) -> bool:
    return marks(now.patches) == marks(begun.new) != marks(begun.old)


def marks(entries: Collection[Entry]) -> list[tuple[str, float]]:
    """Return which patches are on a checkpoint, and how strongly."""
    return [(entry.sha256, entry.scale) for entry in entries]


def _summary(old: Collection[Entry], new: Collection[Entry]) -> list[str]:
    """Say what a run did that was interrupted and has been brought to its end."""
    before, after = marks(old), marks(new)
    on = [f"{e.name} ({e.sha256[:8]}) put on" for e in new if (e.sha256, e.scale) not in before]
    off = [f"{e.name} ({e.sha256[:8]}) taken off" for e in old if (e.sha256, e.scale) not in after]
    now = "; ".join(f"{number} {e.name} ({e.sha256[:8]})" for number, e in enumerate(new, 1))
    return [f"what it did: {', '.join([*on, *off])}; on it now: {now or 'none'}"]


def _clear_leftovers(folder: Path, begun: Begun, disk: Disk) -> Recovered:
    """Remove what a run left that was not in the middle of the weights; see whether its change is complete."""
    ledger = Ledger.load(folder)
    done = _was_done(begun, ledger)
    count = _clear(folder, ledger, begun, disk)
    notes = (f"removed {count} left-over files", *(_summary(begun.old, begun.new) if done else ()))
    return Recovered(notes, begun.old if done else begun.new, begun.new)


def _settle(folder: Path, ledger: Ledger, changes: list[Change], begun: Begun, disk: Disk, *, surveyed: bool) -> None:
    """Write rows, check them, and let the ledger say so.

    Where every tensor was hashed a moment ago (`surveyed`), the written rows are read back, which is all that can have
    changed. After an interruption nothing is known of the rest, so that tensors are hashed whole; but not those of which
    nothing but rows was known before.
    """
    by_shard = _by_shard(changes)
    # A shard that could not be written to does not stand in the way of a repair: it is what it was.
    finished = [] if surveyed else [shard for shard, parts in by_shard.items() if standing(parts)]
    write_rows({shard: parts for shard, parts in by_shard.items() if shard not in finished}, disk)
    for shard in finished:
        disk.flush(shard)  # whoever wrote that may have been killed before
    if not surveyed:
        for shard, parts in by_shard.items():
            check_written(parts, shard)
    if ledger.patches and not surveyed and _is(folder / LEDGER, ledger.dumps()):
        disk.flush(folder)
    elif ledger.patches:
        disk.write(folder / LEDGER, ledger.dumps(), folder / KEPT / begun.under_way("ledger"))
    else:
        disk.remove(folder / LEDGER)
        disk.flush(folder)


def _by_shard(changes: Collection[Change]) -> dict[Path, list[Change]]:
    by_shard: dict[Path, list[Change]] = {}
    for change in changes:
        by_shard.setdefault(change.rows.slot.file, []).append(change)
    return by_shard


def _is(path: Path, content: bytes) -> bool:
    return plain(path) and path.read_bytes() == content


def _differences(checkpoint: Checkpoint, target: Ledger, other: Ledger) -> list[Change]:
    """Return what brings every tensor that differs between two ledgers to the state of the first."""
    theirs = Stack.load(checkpoint, other)
    stack = Stack.load(checkpoint, target).with_undo_of(theirs)
    theirs = theirs.with_undo_of(stack)
    changes = []
    for name in sorted(target.tensors.keys() | other.tensors.keys()):
        mark = target.tensors.get(name)
        if mark == other.tensors.get(name):
            continue
        rows = (stack if mark else theirs).rows(name)
        write = touched([*stack.touched(name), *theirs.touched(name)], rows.shape)
        other_mark = other.tensors.get(name)
        digest = mark.current if mark else other_mark.base if other_mark and not other_mark.rows else ""
        changes.append(Change(rows, stack.floors(name), write, digest, 0))
    return changes


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


def _remove_intent(folder: Path, disk: Disk) -> list[str]:
    """Remove the intent of a change that is complete. Returns why that can not be done."""
    try:
        disk.remove(folder / INTENT)
    except OSError as problem:
        why = f"{problem.filename}: {problem.strerror}"
        return [
            f"it is done; but suture.intent, which says otherwise, could not be removed ({why}): {command_line('fsck', folder)}"
        ]
    return []


def _leftovers(folder: Path, begun: Begun, needed: Collection[str] = (), known: Collection[str] = ()) -> list[str]:
    """Return the names in suture/ that a run wrote and nobody needs."""
    kept = folder / KEPT
    if kept.is_symlink() or not kept.is_dir():
        return []
    return [f.name for f in sorted(kept.iterdir()) if f.name not in needed and begun.wrote(f, known)]


def _remove(folder: Path, names: Collection[str], disk: Disk) -> None:
    for name in names:
        disk.remove(folder / KEPT / name)


def _clear(folder: Path, ledger: Ledger, begun: Begun, disk: Disk, known: Collection[str] = ()) -> int:
    """Remove what a run wrote and its ledger does not name, and at last the note of it. Returns how many files.

    Args:
        folder: the checkpoint, on which no change is under way any more.
        ledger: that of the checkpoint.
        begun: what the run wrote.
        disk: what writes.
        known: names in suture/ whose content was checked while the lock was held.
    """
    disk.flush(folder)  # no intent comes back when the patches and base bits that it names are gone
    names, kept = _leftovers(folder, begun, ledger.files, known), folder / KEPT
    _remove(folder, names, disk)
    there = kept.is_dir() and not kept.is_symlink()
    if there and not any(kept.iterdir()):
        disk.remove(kept)
        there = False
    disk.flush(kept if there else folder)  # nothing comes back when the note that proves it ours is gone
    disk.remove(folder / BEGUN)
    return len(names) + 1
