"""A patched checkpoint as a new folder: built in OUT.partial/new, flushed, then renamed. It is there whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from ...errors import SutureError, UsageError, VerificationFailed
from ...io.system import confirmed, reported
from ...text.printable import command_line
from ..change.begun import (
    INTERRUPTED,
    NEW,
    Begun,
    afterwards,
    begin,
    check_free,
    check_stage,
    remove_stage,
    stage_leftovers,
)
from ..change.plan import Plan, Progress
from ..format.folder import BEGUN, KEPT, LEDGER, PARTIAL, disk_bytes
from ..format.header import regular
from ..stack.ledger import Ledger
from ..stack.undo import size, write
from .deferred_signals import deferred_signals
from .disk import Disk, check_room
from .locks import locked
from .pool import Pool, result
from .writing import write_rows

SLACK = 1 << 20  # bytes for names and the ledger
TRIAL = "trial"  # a file that shows whether blocks can be shared
log = logging.getLogger(__name__)


def check_place(source: Path, out: Path) -> None:
    """Raise UsageError when a new folder can not be made there."""
    if out.exists() or out.is_symlink():
        raise UsageError(
            f"{out} is there already",
            fix=f"Look what it is: {command_line('verify', out)}    or choose another name, or change it with `in_place=True`.",
        )
    if out.resolve().is_relative_to(source.resolve()) or source.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out} and {source} lie in each other", fix="Write to a folder beside it.")


def partial_of(out: Path) -> Path:
    """Return where a new folder is built."""
    if out.name in ("", ".."):  # ".", which has another name seen from elsewhere
        out = Path(os.path.abspath(out))
    return out.parent / f"{out.name}{PARTIAL}"


def request_digest(sketch: Plan) -> str:
    """Return a digest of what a new folder is made of, and of what will be on it: the same for the same command."""
    source = sketch.checkpoint.path
    states = {str(file): _state(source / file) for file in copied(sketch)}
    stack = [(layer.entry.sha256, layer.entry.scale) for layer in sketch.new.layers]
    return hashlib.sha256(json.dumps([str(source.resolve()), states, stack], sort_keys=True).encode()).hexdigest()


def needed(plan: Plan, *, link: bool, shared: bool = False) -> int:
    """Return the bytes that a new folder takes.

    Args:
        plan: what is to be written.
        link: unchanged files are hard links.
        shared: the file system shares the blocks of copies.
    """
    extra = size(plan.pieces()) + sum(regular(layer.file).st_size for layer in plan.new.layers) + SLACK
    if shared:
        return extra + sum(change.bytes for change in plan.changes)
    if link:
        return extra + sum(disk_bytes(shard) for shard in plan.by_shard())
    return extra + plan.checkpoint.bytes()


@dataclass(frozen=True)
class Draft:
    """A new folder under construction; its files are copied while what will change in them is computed.

    Attributes:
        out: what it will be called.
        stage: the folder in which it is built, beside the note that says so (see `begun`).
        begun: that note.
        copies: the copy of each file, under way, by its path in the folder.
        sources: size and time of the last change of each file when the copies began.
        touched: files that are not flushed yet, for rows will be written to them.
    """

    out: Path
    stage: Path
    begun: Begun
    copies: dict[Path, Future[None]] = field(repr=False)
    sources: dict[Path, tuple[int, int]] = field(repr=False)
    touched: set[Path] = field(repr=False)

    @property
    def partial(self) -> Path:
        """Where it is built."""
        return self.stage / NEW


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
    stage = partial_of(out)
    with ExitStack() as locks:
        ours = False
        try:
            with reported(f"can not write {out}"):
                out.parent.mkdir(parents=True, exist_ok=True)
                with deferred_signals():  # from here on it is ours to remove
                    leftovers = _claim(stage, locks, disk)
                    ours = True
                for path in leftovers:
                    disk.remove(path)
                check_place(sketch.checkpoint.path, out)
                begun = begin(stage, disk, files=_planned_files(sketch), request=request_digest(sketch))
                disk.folder(stage / NEW)
                check_room(out.parent, needed(sketch, link=link, shared=_shares(sketch, stage / NEW, disk)))
                for folder in _folders(sketch):
                    disk.folder(stage / NEW / folder)
            stop = Event()
            with Pool(1) as copier:
                try:
                    yield _begin(sketch, Draft(out, stage, begun, {}, {}, set()), link, disk, copier, stop)
                finally:
                    with deferred_signals():
                        stop.set()
        except BaseException:
            if ours:
                _discard(stage)
            raise


def _claim(stage: Path, locks: ExitStack, disk: Disk) -> list[Path]:
    """Make the folder to build in, and lock it. Returns what a killed run left there.

    Raises:
        UsageError: when there is a folder or link of that name that suture did not begin.
    """
    check_stage(stage)
    disk.folder(stage)
    locks.enter_context(locked(stage, exclusive=True))
    return stage_leftovers(stage)


def _planned_files(sketch: Plan) -> tuple[str, ...]:
    """Return every file that is written below OUT.partial, but those in suture/, whose names are not known yet."""
    return tuple(str(Path(NEW, file)) for file in (*map(str, copied(sketch)), LEDGER, TRIAL))


def _begin(sketch: Plan, draft: Draft, link: bool, disk: Disk, copier: Pool, stop: Event) -> Draft:
    source, partial = sketch.checkpoint.path, draft.partial
    touched = {shard.relative_to(source) for shard in sketch.by_shard()}

    def copy(file: Path) -> None:
        if link and file not in touched:
            disk.link(source / file, partial / file)
        else:
            disk.copy(source / file, partial / file, stop, flush=file not in touched)
            (partial / file).chmod(regular(source / file).st_mode & 0o777 | 0o200)

    sources = {file: _state(source / file) for file in copied(sketch)}
    copies = {file: copier.submit(copy, file) for file in sources}
    return replace(draft, copies=copies, sources=sources, touched=touched)


def finish(draft: Draft, plan: Plan, *, disk: Disk, progress: Progress) -> list[str]:
    """Write what changes, and give the folder its name. Returns what could not be cleared away then.

    Raises:
        ResourceError: when the disk is full or fails; it says so where the folder is whole all the same.
        VerificationFailed: when what was written is not what was computed, or the source changed meanwhile.
    """
    partial, source = draft.partial, plan.checkpoint.path
    with reported(f"can not write {draft.out}"):
        ledger = keep(plan, partial / KEPT, draft.begun, disk) if plan.new.layers else Ledger()
        by_shard = plan.by_shard()
        for number, (file, copy) in enumerate(draft.copies.items()):
            progress(f"files: {file.name}", number + 1, len(draft.copies))
            result(copy)
            if file in draft.touched:
                write_rows({partial / file: by_shard.get(source / file, [])}, disk)
        for file, state in draft.sources.items():
            if _state(source / file) != state or regular(partial / file).st_size != state[0]:
                raise VerificationFailed(
                    f"{file} was not copied whole, or changed meanwhile",
                    fix="Check the disk, and that nothing else writes there.",
                )
        if plan.new.layers:
            disk.write(partial / LEDGER, ledger.dumps(), partial / KEPT / draft.begun.under_way("ledger"))
        for folder in (*_folders(plan), Path()):
            disk.flush(partial / folder)
        return _give_name(draft, disk)


def _give_name(draft: Draft, disk: Disk) -> list[str]:
    """Give a folder that is whole its name, and remove what it was built in. Returns what could not be cleared away."""

    def clear() -> None:
        disk.flush(draft.stage)  # the new folder does not come back here when the note is gone
        disk.remove(draft.stage / BEGUN)
        disk.remove(draft.stage)

    notes: list[str] = []
    try:
        with deferred_signals():
            disk.rename(draft.partial, draft.out)
            with confirmed(draft.out):
                disk.flush(draft.out.parent)
            notes += afterwards(clear, draft.out)
    except KeyboardInterrupt as problem:
        if problem.__context__ or draft.partial.exists():
            raise
        notes.append(INTERRUPTED)
    return notes


def copied(plan: Plan) -> list[Path]:
    """Return every file to be copied, relative to the folder; the largest, which patches change, come first."""
    checkpoint = plan.checkpoint
    return [shard.relative_to(checkpoint.path) for shard in checkpoint.shards] + checkpoint.others


def _folders(plan: Plan) -> list[Path]:
    return sorted({parent for file in copied(plan) for parent in file.parents if parent != Path()})


def _state(file: Path) -> tuple[int, int]:
    status = regular(file)
    return status.st_size, status.st_mtime_ns


def keep(plan: Plan, kept: Path, begun: Begun, disk: Disk) -> Ledger:
    """Write the patches and the base bits that a stack needs into a folder. Returns the ledger that names them.

    Raises:
        UsageError: when a file of such a name is there and holds something else.
    """
    disk.folder(kept)
    temporary = kept / begun.under_way("undo")
    ledger = plan.ledger(write(disk, temporary, plan.pieces()))
    if check_free(kept / ledger.undo_file, ledger.undo):
        disk.remove(temporary)
    else:
        disk.rename(temporary, kept / ledger.undo_file)
    for layer in plan.new.layers:
        target = kept / layer.entry.file
        if layer.file != target and not check_free(target, layer.entry.sha256):
            temporary = kept / begun.under_way("patch")
            disk.copy(layer.file, temporary)
            disk.rename(temporary, target)
    disk.flush(kept)
    disk.flush(kept.parent)
    return ledger


def _shares(plan: Plan, partial: Path, disk: Disk) -> bool:
    """Return whether copies share their blocks on this file system."""
    trial = partial / TRIAL
    with plan.checkpoint.shards[0].open("rb") as stream, disk.create(trial) as file:
        shared = disk.clone(stream.fileno(), file)
    disk.remove(trial)
    return shared


def _discard(stage: Path) -> None:
    """Remove what was built, as far as that works; the next run sweeps what is left."""
    plain = Disk()
    try:
        if os.path.lexists(stage):
            remove_stage(stage, plain)
    except (OSError, SutureError) as problem:
        log.warning("%s is left (%s)", stage, str(problem).splitlines()[0])
