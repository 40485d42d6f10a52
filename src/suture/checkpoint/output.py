"""A patched checkpoint as a new folder: built in OUT.partial, flushed, then renamed. It is there whole, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import UsageError, VerificationFailed
from .disk import Disk, check_room, reported
from .folder import KEPT, LEDGER, taken
from .header import regular
from .ledger import Ledger
from .locks import locked
from .plan import Change, Plan, Progress
from .pool import each
from .undo import size, write

SLACK = 1 << 20  # bytes for names and the ledger


def check_place(source: Path, out: Path) -> None:
    """Raise UsageError when a new folder can not be made there."""
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already", fix="Choose another name, or change it with --in-place.")
    if out.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} and {source} lie in each other", fix="Write to a folder beside it.")


def partial_of(out: Path) -> Path:
    """Return where a new folder is built."""
    return out.with_name(f"{out.name}.partial")


def needed(plan: Plan, *, link: bool, shared: bool = False) -> int:
    """Return the bytes that a new folder takes.

    Args:
        plan: what is to be written.
        link: unchanged files are hard links.
        shared: the file system shares the blocks of copies.
    """
    own = size(plan.pieces()) + sum(regular(layer.file).st_size for layer in plan.new.layers) + SLACK
    if shared:
        return own + sum(change.bytes for change in plan.changes)
    if link:
        return own + sum(taken(shard) for shard in plan.by_shard())
    return own + plan.checkpoint.bytes()


def write_new(plan: Plan, out: Path, *, link: bool, disk: Disk, progress: Progress) -> Ledger:
    """Write the folder. Returns its ledger.

    Raises:
        ResourceError: when the disk is full or fails, or another run is writing there; nothing is left then.
        UsageError: when there is something already, or nothing can be written.
        VerificationFailed: when what was written is not what was computed.
    """
    partial = partial_of(out)
    with reported(f"can not write {out}"):
        out.parent.mkdir(parents=True, exist_ok=True)
        disk.folder(partial)
        with locked(partial, exclusive=True):
            try:
                disk.clear(partial)  # what a killed run left
                check_place(plan.checkpoint.path, out)
                check_room(out.parent, needed(plan, link=link, shared=_shares(plan, partial, disk)))
                ledger = _fill(plan, partial, link, disk, progress)
                disk.rename(partial, out)
            except BaseException:
                _discard(partial)
                raise
        disk.flush(out.parent)
    return ledger


def _fill(plan: Plan, partial: Path, link: bool, disk: Disk, progress: Progress) -> Ledger:
    checkpoint, by_shard = plan.checkpoint, plan.by_shard()
    files = [shard.relative_to(checkpoint.path) for shard in checkpoint.shards] + checkpoint.others
    folders = {parent for file in files for parent in file.parents if parent != Path()}
    for folder in sorted(folders):
        disk.folder(partial / folder)
    for number, file in enumerate(files):
        progress(f"copy {file.name}", number + 1, len(files))
        if link and checkpoint.path / file not in by_shard:
            disk.link(checkpoint.path / file, partial / file)
        else:
            disk.copy(checkpoint.path / file, partial / file)
            (partial / file).chmod(regular(checkpoint.path / file).st_mode & 0o777 | 0o200)
    for shard, changes in by_shard.items():
        with disk.edit(partial / shard.name) as target:
            for change in changes:
                change.rows.write(target, change.write, change.floors)
        check_written(changes, partial / shard.name)
    for file in files:
        if regular(partial / file).st_size != regular(checkpoint.path / file).st_size:
            raise VerificationFailed(f"{file} was not copied whole", fix="Check the disk, then try again.")
    ledger = keep(plan, partial / KEPT, disk) if plan.new.layers else Ledger()
    if plan.new.layers:
        disk.write(partial / LEDGER, ledger.dumps())
    for folder in (*sorted(folders), Path()):
        disk.flush(partial / folder)
    return ledger


def keep(plan: Plan, kept: Path, disk: Disk) -> Ledger:
    """Write the patches and the base bits that a stack needs into a folder. Returns the ledger that names them."""
    disk.folder(kept)
    temporary = kept / "undo.partial"
    disk.remove(temporary)
    ledger = plan.ledger(write(disk, temporary, plan.pieces()))
    disk.rename(temporary, kept / ledger.undo_file)
    for layer in plan.new.layers:
        target = kept / layer.entry.file
        if layer.file != target:
            temporary = kept / "patch.partial"
            disk.remove(temporary)
            disk.copy(layer.file, temporary)
            disk.rename(temporary, target)
    disk.flush(kept)
    disk.flush(kept.parent)
    return ledger


def check_written(changes: Sequence[Change], file: Path) -> None:
    """Raise VerificationFailed unless a file holds whole tensors as they were computed."""

    def found(change: Change) -> str:
        return replace(change.rows, slot=replace(change.rows.slot, file=file), undo=()).sha256()

    for change, digest in zip(changes, each(found, changes), strict=True):
        check_same(change.rows.slot.name, digest, change.digest)


def check_same(name: str, found: str, expected: str) -> None:
    """Raise VerificationFailed unless what was read back is what was written."""
    if found != expected:
        raise VerificationFailed(
            f"{name} was not written as computed",
            why=f"sha256 {found[:8]}.. instead of {expected[:8]}..",
            fix="Check the disk, and that nothing else writes there.",
        )


def _shares(plan: Plan, partial: Path, disk: Disk) -> bool:
    """Return whether copies share their blocks on this file system."""
    trial = partial / "trial"
    with plan.checkpoint.shards[0].open("rb") as stream, disk.create(trial) as file:
        shared = disk.clone(stream.fileno(), file)
    disk.remove(trial)
    return shared


def _discard(partial: Path) -> None:
    """Remove what was built; best effort, the next run sweeps what is left."""
    plain = Disk()
    try:
        if partial.is_dir():
            plain.clear(partial)
            plain.remove(partial)
    except OSError:
        return
