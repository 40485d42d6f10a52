"""Touched rows on their way into shards: written, flushed, read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import VerificationFailed
from ...io.tensorfile import differing, view
from ..change.plan import Change
from .disk import Disk, File
from .pool import parallel_map


def write_rows(by_file: Mapping[Path, Sequence[Change]], disk: Disk) -> None:
    """Write the touched rows of shards, flush them, and read them back.

    Args:
        by_file: what changes in each, by where it lies or its copy does.
        disk: what writes.

    Raises:
        VerificationFailed: when they are not what was written.
    """

    def write(file: Path) -> None:
        walk = parallel_map if len(by_file) == 1 else map
        with disk.edit(file) as target:
            for change in by_file[file]:
                change.rows.expect(target, change.write)
            digests = [*walk(lambda change: _put(change, target), by_file[file])]
        for change, digest in zip(by_file[file], digests, strict=True):
            _read_back(replace(change, rows=change.rows.at(file)), digest)

    # Side by side: rows are written to one shard while the disk is waited for with another.
    list(parallel_map(write, [*by_file]))


def standing(changes: Sequence[Change]) -> bool:
    """Return whether a shard holds all that is to be written to it already, as far as is known without flushing it."""
    return not any(
        differing(change.rows.current(rows), values) for change in changes for rows, values in change.finals()
    )


def _put(change: Change, target: File) -> str:
    """Write the touched rows of a tensor into a shard. Returns their SHA-256, or "" where they are remembered."""
    state = hashlib.sha256()
    for rows, values in change.finals():
        change.rows.write(target, rows, values)
        if not change.remembered:
            state.update(view(values))
    return "" if change.remembered else state.hexdigest()


def _read_back(change: Change, digest: str) -> None:
    rows, name = change.rows, change.rows.slot.name
    if not change.remembered:
        check_same(name, rows.sha256_of(change.write), digest)
        return
    for part, expected in zip(*map(rows.parts, (change.write, change.remembered.final)), strict=True):
        if count := differing(rows.current(part), expected):
            raise _miswritten(name, f"{count} numbers differ.")


def check_written(changes: Sequence[Change], file: Path) -> None:
    """Raise VerificationFailed unless a file holds whole tensors as they were computed, where that is known."""
    whole = [change for change in changes if change.digest]
    digests = parallel_map(lambda change: change.rows.at(file).sha256(), whole)
    for change, digest in zip(whole, digests, strict=True):
        check_same(change.rows.slot.name, digest, change.digest)


def check_same(name: str, digest: str, expected: str) -> None:
    """Raise VerificationFailed unless what was read back is what was written."""
    if digest != expected:
        raise _miswritten(name, f"sha256 {digest[:8]}.. instead of {expected[:8]}..")


def _miswritten(name: str, why: str) -> VerificationFailed:
    return VerificationFailed(
        f"{name} was not written as computed", why=why, fix="Check the disk, and that nothing else writes there."
    )
