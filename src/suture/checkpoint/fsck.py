"""Repair what interrupted runs left of a checkpoint, then check it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ..errors import ResourceError, UsageError
from ..io.system import reported
from .change.begun import stage_leftovers
from .change.plan import Progress, silent
from .change.repeated import sweep
from .format.folder import INTENT, KEPT, LEDGER
from .format.reading import steady
from .stack.ledger import Ledger
from .verify import Finding, verify
from .write.allowed import WRITABLE
from .write.disk import DISK, Disk
from .write.inplace import recover, would_recover
from .write.locks import locked
from .write.output import partial_of

OLD = (f"{LEDGER}.partial", f"{INTENT}.partial")  # files under way of version 0.1.0
DONE = "the interrupted command is done: do not give it again"
log = logging.getLogger(__name__)


def fsck(
    checkpoint: Path,
    *,
    rollback: bool = False,
    dry_run: bool = False,
    disk: Disk = DISK,
    progress: Progress = silent,
) -> tuple[list[str], list[Finding]]:
    """Finish or roll back interrupted work, sweep leftovers, check every SHA-256.

    Args:
        checkpoint: the folder; it may be absent when only its `.partial` was left.
        rollback: restore the state before an interrupted run instead of finishing it.
        dry_run: say what would be repaired, check what is there as it is, and change nothing.
        disk: what writes.
        progress: called with (what, done, of).

    Returns:
        What was repaired (or would be), and what was checked.

    Raises:
        ResourceError: when another run is at work there; when the disk fails, or files run out.
    """
    with reported(f"can not read {checkpoint}"):
        repaired = _foresee(checkpoint, rollback, disk) if dry_run else _repair(checkpoint, rollback, disk)
    if repaired and not checkpoint.exists():
        return repaired, []
    try:
        with steady(checkpoint, unfinished=True):
            _tell_of_others(checkpoint)
        return repaired, verify(checkpoint, progress=progress)
    except ResourceError as problem:
        if dry_run or not repaired:
            raise
        raise ResourceError(
            f"{checkpoint} is repaired, but could not be checked",
            why=f"{'; '.join(repaired)}. Then: {problem.what}{f' ({problem.why})' if problem.why else ''}",
            fix=problem.fix,
        ) from problem


def _repair(checkpoint: Path, rollback: bool, disk: Disk) -> list[str]:
    partial = partial_of(checkpoint)
    swept = _ours(checkpoint, lambda: sweep(checkpoint, disk))
    repaired = [f"removed {partial}, left by an interrupted run"] if swept else []
    if checkpoint.is_dir():
        with locked(checkpoint, exclusive=True):
            recovered = recover(checkpoint, disk, rollback=rollback)
        repaired += recovered.notes
        if recovered.old != recovered.new:  # a number in it may mean another patch now
            repaired.append(DONE)
    return repaired


def _foresee(checkpoint: Path, rollback: bool, disk: Disk) -> list[str]:
    """Return what `_repair` would do; it refuses what that would refuse before its first change."""
    partial = partial_of(checkpoint)

    def look() -> None:
        with locked(partial, exclusive=False):
            stage_leftovers(partial)

    repairs = [f"would remove {partial}, left by an interrupted run"] if _ours(checkpoint, look) else []
    if checkpoint.is_dir():
        with locked(checkpoint, exclusive=False), reported(f"can not repair {checkpoint}", fix=WRITABLE):
            repairs += would_recover(checkpoint, disk, rollback=rollback)
    return repairs


def _ours(checkpoint: Path, work: Callable[[], None]) -> bool:
    """Do something with OUT.partial; returns whether there is one that suture began."""
    partial = partial_of(checkpoint)
    if not partial.is_dir() or partial.is_symlink():
        return False
    try:
        work()
    except UsageError as problem:
        if not checkpoint.exists():
            raise
        log.warning("%s: left alone. %s", problem.what, problem.why)
        return False
    return True


def _tell_of_others(checkpoint: Path) -> None:
    """Say what lies where suture keeps its own and is not its own, as far as it can prove."""
    kept, needed = checkpoint / KEPT, Ledger.load(checkpoint).files
    others = [path for path in sorted(kept.iterdir()) if path.name not in needed] if kept.is_dir() else []
    others += [path for name in OLD if (path := checkpoint / name).exists()]
    for path in others:
        log.warning("%s: left alone, no run that is known of wrote it. If you do not need it, remove it by hand", path)
