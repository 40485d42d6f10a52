"""Repair what interrupted runs left of a checkpoint, then check it."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import ResourceError, UsageError
from .disk import DISK, Disk, reported
from .folder import INTENT, KEPT, LEDGER
from .inplace import recover
from .ledger import Ledger
from .locks import locked
from .output import partial_of
from .plan import Progress, silent
from .reading import steady
from .repeated import sweep
from .verify import Finding, verify

OLD = (f"{LEDGER}.partial", f"{INTENT}.partial")  # files under way of version 0.1.0
log = logging.getLogger(__name__)


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
        ResourceError: when another run is at work there; when the disk fails, or files run out.
    """
    with reported(f"can not read {checkpoint}"):
        repaired = _repaired(checkpoint, rollback, disk)
    if repaired and not checkpoint.exists():
        return repaired, []
    try:
        with steady(checkpoint, unfinished=True):
            _tell_of_others(checkpoint)
        return repaired, verify(checkpoint, progress=progress)
    except ResourceError as problem:
        if not repaired:
            raise
        raise ResourceError(
            f"{checkpoint} is repaired, but could not be checked",
            why=f"{'; '.join(repaired)}. Then: {problem.what}{f' ({problem.why})' if problem.why else ''}",
            fix=problem.fix,
        ) from problem


def _repaired(checkpoint: Path, rollback: bool, disk: Disk) -> list[str]:
    repaired = []
    partial = partial_of(checkpoint)
    if partial.is_dir() and not partial.is_symlink():
        try:
            sweep(checkpoint, disk)
            repaired.append(f"removed {partial}, left by an interrupted run")
        except UsageError as problem:
            if not checkpoint.exists():
                raise
            log.warning("%s: left alone. %s", problem.what, problem.why)
    if checkpoint.is_dir():
        with locked(checkpoint, exclusive=True):
            repaired += recover(checkpoint, disk, rollback=rollback).notes
    return repaired


def _tell_of_others(checkpoint: Path) -> None:
    """Say what lies where suture keeps its own and is not its own, as far as it can prove."""
    kept, needed = checkpoint / KEPT, Ledger.load(checkpoint).files
    others = [path for path in sorted(kept.iterdir()) if path.name not in needed] if kept.is_dir() else []
    others += [path for name in OLD if (path := checkpoint / name).exists()]
    for path in others:
        log.warning("%s: left alone, no run that is known of wrote it. If you do not need it, remove it by hand", path)
