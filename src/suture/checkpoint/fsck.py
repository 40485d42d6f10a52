"""Repair what interrupted runs left of a checkpoint, then check it."""

from __future__ import annotations

from pathlib import Path

from .disk import DISK, Disk, reported
from .inplace import recover
from .locks import locked
from .output import partial_of
from .plan import Progress, silent
from .verify import Finding, verify


def fsck(
    checkpoint: Path, *, rollback: bool = False, disk: Disk = DISK, progress: Progress = silent
) -> tuple[list[str], list[Finding]]:
    """Finish or roll back interrupted work, sweep leftovers, check every SHA-256.

    Args:
        checkpoint: the folder; it may be absent when only its `.partial` was left.
        rollback: restore the state before an interrupted run instead of finishing it.
        disk: what writes.
        progress: called with (what, done, of).

    Returns:
        What was repaired, and what was checked.

    Raises:
        ResourceError: when another run is at work there.
    """
    repaired = []
    partial = partial_of(checkpoint)
    if partial.is_dir():
        with reported(f"can not remove {partial}"), locked(partial, exclusive=True):
            disk.clear(partial)
            disk.remove(partial)
        repaired.append(f"removed {partial}, left by an interrupted run")
    if repaired and not checkpoint.exists():
        return repaired, []
    if checkpoint.is_dir():
        with locked(checkpoint, exclusive=True):
            if done := recover(checkpoint, disk, rollback=rollback):
                repaired.append(done)
    return repaired, verify(checkpoint, progress=progress)
