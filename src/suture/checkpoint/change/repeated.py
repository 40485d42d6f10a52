"""Whether a command is the one that was interrupted: given again, it does nothing more than the first would have done.

An interrupted change in place is finished by the next command. Where that is the very command that was interrupted, it is done
then. Where it is another, a number in it may have changed its meaning meanwhile, and is refused. Likewise a new folder: where
a run was killed when it was complete, the very command that made it has nothing more to do than to clear away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import UsageError
from ...io.files import sha256
from ...io.system import reported
from ..format.folder import BEGUN
from ..stack.ledger import Entry, Ledger
from ..stack.stack import listed, positions_of
from ..write.disk import Disk
from ..write.inplace import Recovered, marks
from ..write.locks import locked
from ..write.output import partial_of, request_digest
from .begun import Begun, read_begun, remove_stage
from .plan import Plan

Wanted = Callable[[Sequence[Entry]], list[tuple[str, float]]]  # of the patches before, those after: SHA-256 and scale


def adding(patches: Sequence[Path], scale: float) -> Wanted:
    """Return what `apply` makes of a stack."""
    return lambda old: [*marks(old), *((sha256(path), float(scale)) for path in patches if path.is_file())]


def taking(words: Sequence[str], path: Path) -> Wanted:
    """Return what `revert` makes of a stack."""

    def after(old: Sequence[Entry]) -> list[tuple[str, float]]:
        chosen = positions_of(old, words, path)
        return marks([entry for number, entry in enumerate(old) if number not in chosen])

    return after


def was_done(recovered: Recovered, wanted: Wanted) -> bool:
    """Return whether the run that was just brought to its end did what this command wants."""
    if recovered.old == recovered.new:
        return False
    try:
        return wanted(recovered.old) == marks(recovered.new)
    except UsageError:  # it names what was not there before that run
        return False


def check_numbers(recovered: Recovered, words: Sequence[str], path: Path) -> None:
    """Raise UsageError where a number means another patch than before the interrupted run was finished."""
    for word in words:
        if not (word.isascii() and word.isdigit()) or recovered.old == recovered.new:
            continue
        place = int(word) - 1
        old, new = (marks(entries[place : place + 1]) for entries in (recovered.old, recovered.new))
        if place < 0 or old == new:
            continue
        before = listed(recovered.old[place : place + 1]).partition(" ")[2]
        raise UsageError(
            f"number {word} no longer means what it meant",
            why=f"It was {before or 'no patch'} before the interrupted run was finished. On {path} are now: "
            f"{listed(recovered.new) or 'none'}.",
            fix="Name a patch by its SHA-256 (the digits above), or give the number that it has now.",
        )


def finished_note(out: Path) -> Begun | None:
    """Return the note of a run that was killed when its new folder was there already, before it had cleared away.

    Nothing of the model lies in OUT.partial then; an empty one is what is left of it at the very end.
    """
    stage = partial_of(out)
    if not out.is_dir() or not stage.is_dir() or stage.is_symlink():
        return None
    if [path.name for path in stage.iterdir()] not in ([BEGUN], []):
        return None
    try:
        return read_begun(stage) or Begun("")
    except UsageError:  # a user's, and in nobody's way
        return None


def was_made(sketch: Plan, out: Path) -> bool:
    """Return whether a new folder is what this very command had made when it was killed, and was not changed since."""
    begun = finished_note(out)
    if begun is None or not begun.request or begun.request != request_digest(sketch):
        return False
    return marks(Ledger.load(out).patches) == marks([layer.entry for layer in sketch.new.layers])


def sweep(out: Path, disk: Disk) -> None:
    """Remove OUT.partial, if a run of suture left it.

    Raises:
        UsageError: when something in it is not suture's; then nothing is removed.
        ResourceError: when a run is at work there, or the disk fails.
    """
    stage = partial_of(out)
    with reported(f"can not remove {stage}"), locked(stage, exclusive=True):
        remove_stage(stage, disk)
