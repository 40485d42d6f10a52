"""A patched checkpoint as a new folder: built in OUT.partial, flushed, then renamed. It is there whole, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from ..errors import UsageError, VerificationFailed
from ..tensorfile import differing, view
from .disk import Disk, File, check_room, reported
from .folder import KEPT, LEDGER, taken
from .header import regular
from .ledger import Ledger
from .locks import locked
from .plan import Change, Plan, Progress
from .pool import each
from .undisturbed import undisturbed
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


@dataclass(frozen=True)
class Draft:
    """A new folder under construction; its files are copied while what will change in them is computed.

    Attributes:
        out: what it will be called.
        partial: where it is built.
        copies: the copy of each file, under way, by its path in the folder.
        sources: size and time of the last change of each file when the copies began.
        touched: files that are not flushed yet, for rows will be written to them.
    """

    out: Path
    partial: Path
    copies: dict[Path, Future[None]] = field(repr=False)
    sources: dict[Path, tuple[int, int]] = field(repr=False)
    touched: set[Path] = field(repr=False)


@contextmanager
def drafted(sketch: Plan, out: Path, *, link: bool, disk: Disk) -> Iterator[Draft]:
    """Begin a new folder; unless `finish` is reached inside the block, nothing is left of it.

    Args:
        sketch: where will be written.
        out: the folder.
        link: unchanged files are hard links.
        disk: what writes.

    Raises:
        ResourceError: when the disk is too small or fails, or another run is writing there.
        UsageError: when there is something already, or nothing can be written.
    """
    partial = partial_of(out)
    with ExitStack() as held:
        ours = False
        try:
            with reported(f"can not write {out}"):
                out.parent.mkdir(parents=True, exist_ok=True)
                with undisturbed():  # from here on it is ours to remove
                    disk.folder(partial)
                    held.enter_context(locked(partial, exclusive=True))
                    ours = True
                disk.clear(partial)  # what a killed run left
                check_place(sketch.checkpoint.path, out)
                check_room(out.parent, needed(sketch, link=link, shared=_shares(sketch, partial, disk)))
                for folder in _folders(sketch):
                    disk.folder(partial / folder)
            stop, copier = Event(), ThreadPoolExecutor(1)
            try:
                yield _begin(sketch, out, link, disk, copier, stop)
            finally:
                stop.set()
                with undisturbed():
                    copier.shutdown(cancel_futures=True)
        except BaseException:
            if ours:
                _discard(partial)
            raise


def _begin(sketch: Plan, out: Path, link: bool, disk: Disk, copier: ThreadPoolExecutor, stop: Event) -> Draft:
    source, partial = sketch.checkpoint.path, partial_of(out)
    touched = {shard.relative_to(source) for shard in sketch.by_shard()}

    def copy(file: Path) -> None:
        if link and file not in touched:
            disk.link(source / file, partial / file)
        else:
            disk.copy(source / file, partial / file, stop, flush=file not in touched)
            (partial / file).chmod(regular(source / file).st_mode & 0o777 | 0o200)

    sources = {file: _state(source / file) for file in _files(sketch)}
    with undisturbed():
        return Draft(out, partial, {file: copier.submit(copy, file) for file in sources}, sources, touched)


def finish(draft: Draft, plan: Plan, *, disk: Disk, progress: Progress) -> Ledger:
    """Write what changes, and give the folder its name. Returns its ledger.

    Raises:
        ResourceError: when the disk is full or fails.
        VerificationFailed: when what was written is not what was computed, or the source changed meanwhile.
    """
    partial, source = draft.partial, plan.checkpoint.path
    with reported(f"can not write {draft.out}"):
        ledger = keep(plan, partial / KEPT, disk) if plan.new.layers else Ledger()
        by_shard = plan.by_shard()
        for number, (file, copy) in enumerate(draft.copies.items()):
            progress(f"copy {file.name}", number + 1, len(draft.copies))
            copy.result()
            if file in draft.touched:
                write_rows({partial / file: by_shard.get(source / file, [])}, disk)
        for file, state in draft.sources.items():
            if _state(source / file) != state or regular(partial / file).st_size != state[0]:
                raise VerificationFailed(
                    f"{file} was not copied whole, or changed meanwhile",
                    fix="Check the disk, and that nothing else writes there.",
                )
        if plan.new.layers:
            disk.write(partial / LEDGER, ledger.dumps())
        for folder in (*_folders(plan), Path()):
            disk.flush(partial / folder)
        disk.rename(partial, draft.out)
        disk.flush(draft.out.parent)
    return ledger


def write_rows(by_file: Mapping[Path, Sequence[Change]], disk: Disk) -> None:
    """Write the touched rows of shards, flush them, and read them back.

    Args:
        by_file: what changes in each, by where it lies or its copy does.
        disk: what writes.

    Raises:
        VerificationFailed: when they are not what was written.
    """

    def write(file: Path) -> None:
        walk = each if len(by_file) == 1 else map
        with disk.edit(file) as target:
            for change in by_file[file]:
                change.rows.expect(target, change.write)
            written = [*walk(lambda change: _put(change, target), by_file[file])]
        for change, digest in zip(by_file[file], written, strict=True):
            _read_back(replace(change, rows=change.rows.at(file)), digest)

    # Side by side: rows are written to one shard while the disk is waited for with another.
    list(each(write, [*by_file]))


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


def _files(plan: Plan) -> list[Path]:
    """Return every file to be copied, relative to the folder; the largest, which patches change, come first."""
    checkpoint = plan.checkpoint
    return [shard.relative_to(checkpoint.path) for shard in checkpoint.shards] + checkpoint.others


def _folders(plan: Plan) -> list[Path]:
    return sorted({parent for file in _files(plan) for parent in file.parents if parent != Path()})


def _state(file: Path) -> tuple[int, int]:
    found = regular(file)
    return found.st_size, found.st_mtime_ns


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
    """Raise VerificationFailed unless a file holds whole tensors as they were computed, where that is known."""
    known = [change for change in changes if change.digest]

    found = each(lambda change: change.rows.at(file).sha256(), known)
    for change, digest in zip(known, found, strict=True):
        check_same(change.rows.slot.name, digest, change.digest)


def check_same(name: str, found: str, expected: str) -> None:
    """Raise VerificationFailed unless what was read back is what was written."""
    if found != expected:
        raise _miswritten(name, f"sha256 {found[:8]}.. instead of {expected[:8]}..")


def _miswritten(name: str, why: str) -> VerificationFailed:
    return VerificationFailed(
        f"{name} was not written as computed", why=why, fix="Check the disk, and that nothing else writes there."
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
