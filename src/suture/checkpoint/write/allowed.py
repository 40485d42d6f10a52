"""What would stand in the way of a change, found out before anything is written; asking changes nothing.

A change in place that meets a file it may not write would be left between two states, so every file is tried before. A dry run
and `suture plan` make the same refusals, beside those that only the real command can make: a disk that fails, a source
that changes meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ...errors import ResourceError, UsageError
from ...io.system import PLACE, reported
from ..change.begun import check_free, check_kept, check_stage, stage_leftovers
from ..change.plan import Plan
from ..format.folder import KEPT, LEDGER
from ..format.header import regular
from ..stack.ledger import NAMED, Ledger
from ..stack.undo import digest, size
from .disk import Disk, check_room
from .locks import locked
from .output import SLACK, check_place, copied, needed, partial_of

WRITABLE = "Make it writable (chmod u+w; lsattr shows what is locked), or write a new folder: `out=OUT`"
FORBIDDEN = "its permissions, its attributes or a disk that is mounted read-only forbid it."


def check_in_place(plan: Plan, disk: Disk) -> None:
    """Raise UsageError when a checkpoint can not be changed where it lies.

    Args:
        plan: what will be written.
        disk: what will write.

    Raises:
        UsageError: when a shard has other names (hard links), so that another folder would change, too; when a file or the
            folder can not be written to; when something that is not suture's is in the way.
        ResourceError: when the disk fails.
    """
    folder = plan.checkpoint.path
    check_own(plan)
    check_kept(folder)
    with reported(f"can not change {folder}", fix=WRITABLE):
        for place in (folder, folder / KEPT):
            if place.exists():
                _check_folder(place, f"can not change {folder}")
        _check_replaceable(folder / LEDGER)
        for shard in plan.by_shard():
            with reported(f"can not change {shard}", fix=WRITABLE):
                disk.check(shard)
        for layer in plan.new.layers:
            target = folder / KEPT / layer.entry.file
            if layer.file != target:
                check_free(target, layer.entry.sha256)


def check_own(plan: Plan) -> None:
    """Raise UsageError when a file to be changed is also reached by another name."""
    for shard in plan.by_shard():
        if shard.is_symlink() or regular(shard).st_nlink > 1:
            raise UsageError(
                f"{shard} has other names",
                why="It is a link (the Hub's cache, or `link`); what it is linked to would change, too.",
                fix="Write a new folder: `out=OUT`",
            )


def needed_in_place(plan: Plan) -> int:
    """Return the bytes that a change in place adds."""
    return size(plan.pieces()) + sum(regular(layer.file).st_size for layer in plan.new.layers) + SLACK


def check_undo(plan: Plan) -> None:
    """Raise UsageError when the base bits can not be kept in a checkpoint: a file of their name holds something else.

    The name is their SHA-256, and that is computed only where such files are of which the ledger knows nothing.
    """
    kept, files = plan.checkpoint.path / KEPT, plan.old.ledger.files
    names = {file.name for file in kept.iterdir()} if kept.is_dir() else set()
    if plan.new.layers and any(NAMED.fullmatch(name) and name.startswith("undo-") for name in names - files.keys()):
        ledger = Ledger(undo=digest(plan.pieces()))
        check_free(kept / ledger.undo_file, ledger.undo)


def check_new(plan: Plan, out: Path, *, link: bool) -> list[str]:
    """Refuse what `output.drafted` would refuse, without writing.

    Args:
        plan: what will be written.
        out: the new folder.
        link: unchanged files are hard links.

    Returns:
        What a careful user should know.

    Raises:
        UsageError: when something is in the way, or can not be read or written.
        ResourceError: when another run is at work there, or the disk fails.
    """
    stage = partial_of(out)
    with reported(f"can not write {out}"):
        notes = _check_stage(stage)
        check_place(plan.checkpoint.path, out)
        place = out.parent
        while not os.path.lexists(place):
            place = place.parent
        if not place.is_dir():
            raise UsageError(f"can not write {out}", why=f"{place} is not a folder.", fix="Choose another place.")
        _check_folder(place, f"can not write {out}", PLACE)
        touched = plan.by_shard()
        for file in map(plan.checkpoint.path.joinpath, copied(plan)):
            with file.open("rb") as stream:
                linked = link and file not in touched
                if linked and os.fstat(stream.fileno()).st_dev != place.stat().st_dev:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(file))
    return notes


def check_room_new(plan: Plan, out: Path, *, link: bool) -> list[str]:
    """Check the disk for a new folder; whether copies share their blocks there is known only when one is made.

    Returns:
        What depends on that.

    Raises:
        ResourceError: when it does not suffice either way.
    """
    check_room(out.parent, needed(plan, link=link, shared=True))
    whole = needed(plan, link=link)
    try:
        check_room(out.parent, whole)
    except ResourceError as problem:
        return [f"{problem.what}: refused unless the file system shares the blocks of copies (btrfs, xfs)"]
    return []


def _check_stage(stage: Path) -> list[str]:
    """Refuse what is in the way where a new folder is built; returns what an interrupted run left there."""
    check_stage(stage)
    if not stage.exists():
        return []
    with locked(stage, exclusive=False):
        leftovers = stage_leftovers(stage)
    for folder in (stage, *(path for path in leftovers if path.is_dir())):
        _check_folder(folder, f"can not remove {stage}")
    return [f"an interrupted run left {stage}; the command removes it"] if leftovers else []


def _check_folder(folder: Path, what: str, fix: str = WRITABLE) -> None:
    """Raise UsageError unless names can be made and removed in a folder."""
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UsageError(what, why=f"Nothing can be written in {folder}: {FORBIDDEN}", fix=fix)


def _check_replaceable(path: Path) -> None:
    """Raise UsageError when another file can not take the name of this one, although its folder can be written to."""
    if not os.path.lexists(path):
        return
    place, file, user = path.parent.stat(), path.lstat(), os.geteuid()
    locked_up = place.st_mode & stat.S_ISVTX and user not in (0, place.st_uid, file.st_uid)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as problem:
        # EPERM: it is locked by an attribute. That it may not be written to itself (EACCES) or is a link does not matter.
        locked_up = locked_up or problem.errno in (errno.EPERM, errno.EROFS)
    if locked_up:
        raise UsageError(f"can not replace {path}", why=FORBIDDEN.capitalize(), fix=WRITABLE)
