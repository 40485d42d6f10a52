"""Small files, written whole or not at all, and their hashes. Knows nothing of tensors, so that it loads in an instant.

What is under way has a random name that was taken before anything is written to it: nothing of another is overwritten,
written through (links) or removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..errors import DataError, UsageError
from ..text.redact import hidden
from .system import PATH, PLACE, confirmed, reported

PAGE = "<title>suture: "  # in every page that suture writes
CHUNK = 1 << 20  # bytes read at a time


def read_text(path: Path, *, fix: str = PATH, encoding: str = "utf-8", most: int = -1) -> str:
    """Return the text of a file that a user names.

    Args:
        path: the file.
        fix: what to do where the path is wrong, or it is no text.
        encoding: "utf-8-sig" leaves out the mark that some editors put in front.
        most: characters of its beginning; by default all.

    Raises:
        DataError: when there is none, or it is not UTF-8.
        ResourceError: when the disk fails, or files or memory have run out.
    """
    try:
        with reported(f"can not read {path}", fix=fix, kind=DataError), path.open(encoding=encoding) as stream:
            return stream.read(most)
    except UnicodeDecodeError as problem:
        raise DataError(f"can not read {path}", why=f"It is not UTF-8 text: {problem}", fix=fix) from problem


def write_bytes(path: Path, content: bytes) -> None:
    """Write any small file atomically and durably; see `written`."""
    with written(path) as under_way:
        under_way.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text that people read or publish (a report, a card, a record), as `write_bytes` does, with secrets hidden.

    What holds the user's own data, to be read again word for word, is written with `write_bytes`.
    """
    write_bytes(path, hidden(text).encode())


def write_together(folder: Path, stem: str, texts: Mapping[str, str]) -> dict[str, Path]:
    """Write texts that belong together, as `write_text`, so that none is there without the others.

    Args:
        folder: where; what else is in it stays.
        stem: of their names.
        texts: by what their names end in.

    Returns:
        Their paths, likewise.
    """
    check_folder_for(folder, stem, texts)
    with built(folder, over=True) as new:
        for kind, text in texts.items():
            (new / f"{stem}.{kind}").write_bytes(hidden(text).encode())
    return {kind: folder / f"{stem}.{kind}" for kind in texts}


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; on leaving, what was written is flushed and takes the place of `path`.

    Raises:
        UsageError: when nothing can be written there.
        ResourceError: when the disk is full or fails.
    """
    check_place(path, lambda _: True, "")
    path = path.resolve() if path.is_symlink() else path  # what a link leads to is written, the link stays
    with reported(f"can not write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last: some writers choose their format by it.
        under_way = path.with_name(f".{path.stem}.{os.urandom(8).hex()}.partial{path.suffix}")
        handle = os.open(under_way, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            os.close(handle)  # which can fail, too
            yield under_way
            _flush(under_way)
            under_way.replace(path)
        except BaseException:
            under_way.unlink(missing_ok=True)
            raise
    with confirmed(path):
        _flush(path.parent)


@contextmanager
def built(folder: Path, *, over: bool = False) -> Iterator[Path]:
    """Give a new folder to fill; on leaving, all in it is flushed, and it takes the place of `folder`.

    Args:
        folder: where nothing is yet, or an empty folder.
        over: also one that holds something: the new files then take their places one after the other, the rest stays.

    Raises:
        UsageError: when nothing can be written there, or something is there already.
        ResourceError: when the disk is full or fails.
    """
    folder = folder.resolve()
    with reported(f"can not write {folder}"):
        inside = over and folder.is_dir()
        if not inside:
            check_empty(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # What is inside has the folder's own name, so that it can be read and checked as what it will be.
        under_way = (folder if inside else folder.parent) / f".{folder.name}.{os.urandom(8).hex()}.partial"
        under_way.mkdir()
        try:
            new = under_way / folder.name
            new.mkdir()
            yield new
            _flush_all(new)
            if inside:
                _move(new, folder)
            else:
                new.replace(folder)
        finally:
            shutil.rmtree(under_way, ignore_errors=True)
    with confirmed(folder):
        _flush(folder if inside else folder.parent)


def check_place(path: Path, ours: Callable[[Path], bool], what: str) -> None:
    """Raise UsageError when something is there that must not be replaced: another's file, a folder, a device.

    Args:
        path: where a file is to be written.
        ours: tells of a plain file, which is not empty, whether it may be replaced.
        what: may be replaced, in words.
    """
    with reported(f"can not write {path}"):
        if not path.exists():
            return
        if not path.is_file():
            raise UsageError(f"can not write {path}", why="It is not a plain file.", fix="Give another name.")
        if path.stat().st_size and not ours(path):
            raise UsageError(
                f"{path} is there already", why=f"It is not {what}, so it is not replaced.", fix="Give another name."
            )


def check_folder_for(folder: Path, stem: str, texts: Mapping[str, str]) -> None:
    """Raise UsageError when `write_together` could not write there: to be asked before the work, not after it.

    Args:
        folder: where.
        stem: of the names.
        texts: any of the kinds that will be written, by what their names end in.
    """
    check_writable(folder)
    for kind, text in texts.items():
        check_place(folder / f"{stem}.{kind}", partial(_alike, text=text), "one that suture wrote")


def check_writable(folder: Path) -> None:
    """Raise UsageError when nothing can be written into a folder, there or still to be made, as far as that can be known."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"can not write {folder}", why=f"{there} is a file.", fix="Give a new folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"can not write {folder}", why=f"Nothing can be written into {there}.", fix=PLACE)


def _alike(path: Path, *, text: str) -> bool:
    """Return whether a file is of the kind of a text that is to replace it: a page with our title, or JSON with its keys."""
    try:
        there = path.read_text(encoding="utf-8", errors="replace")
        if text.startswith("{"):
            keys = json.loads(there).keys()
            return bool(keys) and bool(keys <= json.loads(text).keys())
    except (ValueError, AttributeError, RecursionError):
        return False
    return PAGE in there


def check_empty(folder: Path) -> None:
    """Raise UsageError when something is in a folder that is to be written whole."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"can not write {folder}", why="It is a file.", fix="Give a new folder.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", why="What goes there is written whole.", fix="Give a new folder.")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    state, block = hashlib.sha256(), memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            state.update(block[:count])
    return state.hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_all(folder: Path) -> None:
    """Bring every file below a folder, and all names, to the disk; links are names, and not followed."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in map(Path(place).joinpath, names):
            if not path.is_symlink():
                _flush(path)
        _flush(Path(place))


def _move(new: Path, folder: Path) -> None:
    """Let each file below `new` take its place below `folder`, then bring the names to the disk."""
    touched = set()
    for path in sorted(path for path in new.rglob("*") if not path.is_dir()):
        target = folder / path.relative_to(new)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        touched.add(target.parent)
    for place in touched:
        _flush(place)
