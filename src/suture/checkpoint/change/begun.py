"""What suture begins to write is written down before, so that what a killed run left is told from what is a user's.

    suture.begun    the first file that a run makes where it writes, flushed before any other; the last it removes

A new folder is built in OUT.partial/new; OUT.partial/suture.begun lists every file that will be there. In a checkpoint that is
changed in place, it names what lay in suture/ before, and the patches before and after the change: it is also how a
command that is given again learns that it was done already.

Removed is what the note proves to be ours, and nothing else:
  - a path that it lists (new folder), which no other can have made, for the folder was empty when the note was written;
  - a name that carries its token, 64 random bits that nobody knew before (files under way in suture/);
  - in suture/, a file that was not there before and has the SHA-256 that its name says.
Links are never followed, nor removed. Without a note, or beside one that suture did not write, nothing is removed.

A note is not itself written to another name first; a kill can leave its beginning, even an empty file. That is ours if there is
nothing else, for until the whole note is on the disk nothing else is begun. An empty folder is taken over.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import SutureError, UsageError
from ...io.files import sha256
from ...text.printable import command_line
from ..format.folder import BEGUN, KEPT
from ..stack.ledger import NAMED, Entry, read_entry
from ..write.disk import Disk

FORMAT = "suture.begun/1"
HEAD = f'{{"format": "{FORMAT}"'.encode()
TOKEN = re.compile(r"[0-9a-f]{16}")
LARGEST = 100_000_000  # bytes of a note
INTERRUPTED = "it was done already when it was interrupted"
NEW = "new"  # in OUT.partial: what becomes OUT


@dataclass(frozen=True)
class Begun:
    """What a run writes.

    Attributes:
        token: in the names of files under way; empty in a note of which only the beginning was written.
        files: every file of a new folder, relative to where the note lies.
        there: names in suture/ that were there before, apart from those that the ledger named.
        old: the patches before the change.
        new: those after it.
        request: of a new folder: a digest of what it is made of, and of what is to be on it (see `output.request_digest`), in the
            file called "asked"; empty in older notes.
    """

    token: str
    files: tuple[str, ...] = ()
    there: tuple[str, ...] = ()
    old: tuple[Entry, ...] = ()
    new: tuple[Entry, ...] = ()
    request: str = ""

    def under_way(self, what: str) -> str:
        """Return the name of a file until it is whole."""
        return f"{what}.{self.token}.partial"

    def wrote(self, file: Path, known: Collection[str] = ()) -> bool:
        """Return whether a run of suture wrote a file in suture/.

        Args:
            file: in that folder.
            known: names of files there of which the SHA-256 was seen to be the one in their name.
        """
        if not self.token or not plain(file) or file.name in self.there:
            return False
        if not NAMED.fullmatch(file.name):
            return self.names(file.name)
        return file.name in known or sha256(file)[:16] == file.stem.partition("-")[2]

    def names(self, name: str) -> bool:
        """Return whether a file in suture/ can be called so by this run: whole, or under way."""
        return bool(NAMED.fullmatch(name)) or (self.token != "" and name.endswith(f".{self.token}.partial"))


def begin(
    folder: Path,
    disk: Disk,
    *,
    files: Iterable[str] = (),
    there: Iterable[str] = (),
    old: Iterable[Entry] = (),
    new: Iterable[Entry] = (),
    request: str = "",
) -> Begun:
    """Write down what is begun in a folder, before anything else is written there. Returns it.

    Args:
        folder: where the note goes; the caller holds its lock.
        disk: what writes.
        files: see `Begun`, also for the others.
        there: see there.
        old: see there.
        new: see there.
        request: see there.
    """
    begun = Begun(os.urandom(8).hex(), tuple(files), tuple(there), tuple(old), tuple(new), request)
    fields = asdict(begun)
    fields["asked"] = fields.pop("request")
    with disk.create(folder / BEGUN) as file:
        file.write(json.dumps({"format": FORMAT, **fields}).encode() + b"\n", 0)
    disk.flush(folder)
    return begun


def read_begun(folder: Path) -> Begun | None:
    """Return what was begun in a folder and not brought to an end; None if nothing was.

    Raises:
        UsageError: when a file or link of that name is not ours.
    """
    path = folder / BEGUN
    if not os.path.lexists(path):
        return None
    content = path.read_bytes() if plain(path) and path.lstat().st_size <= LARGEST else None
    if content is None:
        raise not_ours(path, "It is a link, a folder, or too large.", verb="write")
    if HEAD.startswith(content) or not content.strip(b"\0"):  # also what a lost power supply leaves
        return Begun("")
    try:
        note = json.loads(content)
        whole = content.startswith(HEAD) and content.endswith(b"\n")
    except (ValueError, RecursionError):
        if content.startswith(HEAD) and not content.endswith(b"\n"):
            return Begun("")
        raise not_ours(path, "It does not hold what suture writes there.", verb="write") from None
    try:
        files, there = (tuple(map(str, note[name])) for name in ("files", "there"))
        old, new = (tuple(map(read_entry, note[name])) for name in ("old", "new"))
        if not whole or not TOKEN.fullmatch(note["token"]):
            raise ValueError("no token")
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise not_ours(path, "It does not hold what suture writes there.", verb="write") from problem
    return Begun(note["token"], files, there, old, new, str(note.get("asked", "")))


def not_ours(path: Path, why: str, *, verb: str = "begin") -> UsageError:
    """Return the error for something in the way that suture can not prove to have written.

    Args:
        path: that thing.
        why: it is not.
        verb: what suture would have done: "begin" a folder, or "write" a file.
    """
    return UsageError(
        f"{path} is in the way, and suture did not {verb} it",
        why=why,
        fix="Move it away, or write elsewhere. If suture 0.1.0 left it when it was killed, remove it by hand.",
    )


def _foreign(stage: Path, name: Path) -> UsageError:
    return UsageError(
        f"{stage / name} is in the way, and suture did not write it",
        why=f"A run of suture began {stage} and was interrupted; it is swept only when nothing of another's is in it.",
        fix=f"Move {name} out of there, then give the command again; or write elsewhere.",
    )


def plain(file: Path) -> bool:
    """Return whether a path is a file itself: no link, no folder, no device."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except FileNotFoundError:
        return False


def check_kept(folder: Path) -> None:
    """Raise UsageError when suture/ in a checkpoint can not be written to: it is a link, or no folder."""
    kept = folder / KEPT
    if kept.is_symlink() or (kept.exists() and not kept.is_dir()):
        raise UsageError(
            f"{kept} is no folder of this checkpoint",
            why="It is a link, which is not followed." if kept.is_symlink() else "It is a file.",
            fix="Move it away, or write a new folder: `out=OUT`",
        )


def check_free(target: Path, digest: str) -> bool:
    """Return whether a file in suture/ is there already, with this SHA-256.

    Raises:
        UsageError: when it has another, and so is not ours.
    """
    if not os.path.lexists(target):
        return False
    if not plain(target) or sha256(target) != digest:
        raise UsageError(
            f"{target} is in the way",
            why="It does not hold what its name says: it is another's, or was damaged.",
            fix="Move it away, then give the command again.",
        )
    return True


def check_stage(stage: Path) -> None:
    """Raise UsageError when a new folder can not be built there: something is in the way that is no folder."""
    if stage.is_symlink() or (stage.exists() and not stage.is_dir()):
        raise not_ours(stage, "It is a link." if stage.is_symlink() else "It is a file.")


def stage_leftovers(stage: Path) -> list[Path]:
    """Return everything in OUT.partial, in the order in which it can be removed; all of it is ours.

    Raises:
        UsageError: when something there is not: then nothing of it may be removed.
    """
    check_stage(stage)
    begun, leftovers = read_begun(stage), []
    files = {Path(file) for file in begun.files} if begun else set()
    folders = {Path(NEW), Path(NEW, KEPT), *(parent for file in files for parent in file.parents)}
    for place, below, names in os.walk(stage, topdown=False):
        for path in map(Path(place).joinpath, (*names, *below)):
            name = path.relative_to(stage)
            if name == Path(BEGUN):
                continue
            inner = begun is not None and name.parent == Path(NEW, KEPT) and begun.names(name.name)
            ours = (name in files or inner) if plain(path) else (name in folders and not path.is_symlink())
            if begun is None:
                raise not_ours(stage, f"It holds {name}, and no note of suture.")
            if not (begun.token and ours):
                raise _foreign(stage, name)
            leftovers.append(path)
    return [*leftovers, *([stage / BEGUN] if begun else [])]


def remove_stage(stage: Path, disk: Disk) -> None:
    """Remove OUT.partial with all in it, the note at last: nothing that it proves ours comes back when it is gone.

    Raises:
        UsageError: when something in it is not suture's; then nothing is removed.
    """
    for path in stage_leftovers(stage):
        if path.name == BEGUN:
            disk.flush(stage)
        disk.remove(path)
    disk.remove(stage)


def afterwards(work: Callable[[], object], path: Path) -> list[str]:
    """Do what is left to do when a change is complete: what fails there makes the change no failure, and is told.

    The caller holds signals back since before the change was complete: what is left is not found again when they cut it short.

    Returns:
        What could not be done, for people.
    """
    try:
        work()
    except (OSError, SutureError) as problem:
        place = problem.what if isinstance(problem, SutureError) else f"{problem.filename}: {problem.strerror}"
        return [f"it is done; but what it left could not be cleared away ({place}): {command_line('fsck', path)}"]
    return []
