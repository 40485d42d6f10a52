"""What a disk may hold after its power failed: a journal of calls (see faults.c) replayed on a picture of the folder before.

Kept for certain is what an fsync covers: the bytes and the size of a file that was flushed, the names in a folder that was.
Of the rest any part may be there. Bytes are kept or lost by the sector, in any order. Names are lost from some call on, as
journals of file systems do it, or ("loose") each by itself, which POSIX allows and few file systems do.
"""

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from _journal import CREATED, EMPTIED, Call


@dataclass(eq=False)
class File:
    """Content now, what of it is certain, and the writes and sizes (offset, bytes; or size, None) that are not."""

    now: bytearray
    certain: bytes = b""
    open: list[tuple[int, bytes | None]] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        self.open.append((offset, data))
        _put(self.now, offset, data)

    def resize(self, size: int) -> None:
        self.open.append((size, None))
        _resize(self.now, size)

    def flush(self) -> None:
        self.certain, self.open = bytes(self.now), []

    def after_loss(self, rng: random.Random, sector: int, share: float) -> bytes:
        """Return what may be there: each sector of a write, and each change of the size, is kept with probability `share`."""
        found = bytearray(self.certain)
        for offset, data in self.open:
            if data is None:
                if rng.random() < share:
                    _resize(found, offset)
                continue
            begin = offset
            while begin < offset + len(data):
                end = min((begin // sector + 1) * sector, offset + len(data))
                if rng.random() < share:
                    _put(found, begin, data[begin - offset : end - offset])
                begin = end
        return bytes(found)


@dataclass(eq=False)
class Link:
    """A symbolic link."""

    text: str


@dataclass(eq=False)
class Folder:
    """Names now, and at the beginning."""

    now: dict[str, "Node"] = field(default_factory=dict)
    before: dict[str, "Node"] = field(default_factory=dict)


Node = File | Link | Folder
Content = dict[str, bytes | str | None]  # by path; a text is where a link points, None a folder


@dataclass
class Change:
    """What one call did to names: (folder, name, what it is from then on or None), and which folders were flushed since."""

    parts: list[tuple[Folder, str, Node | None]]
    flushed: set[Folder] = field(default_factory=set)

    def kept(self, rng: random.Random, share: float) -> list[tuple[Folder, str, Node | None]]:
        """Return what is left of it where each call stands for itself.

        A rename from one folder to another is certain when either was flushed; a file may then have the old name as well.
        """
        if not self.flushed and rng.random() >= share:
            return []
        whole = not self.flushed or any(isinstance(node, Folder) for *_, node in self.parts)
        return [part for part in self.parts if whole or part[2] or part[0] in self.flushed or rng.random() < share]


class Picture:
    """The folder as it was, and all that was called since.

    Args:
        root: the folder; it is read now.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.top, self.changes, self.handles = _folder(self.root), list[Change](), dict[int, Node]()

    def replay(self, calls: list[Call]) -> None:
        """Do what a journal says."""
        for call in calls:
            if call.result >= 0:
                getattr(self, f"_{call.kind}", lambda _: None)(call)

    def content(self) -> Content:
        """Return what the folder holds now."""
        return _content(self.top, {})

    def after_loss(self, rng: random.Random) -> Content:
        """Return what it may hold after the power failed; every draw is another."""
        sector, share, loose = rng.choice((512, 4096)), rng.choice((0.0, 0.3, 0.7, 1.0)), rng.random() < 0.5
        last = max((n for n, change in enumerate(self.changes, 1) if change.flushed), default=0)
        cut = rng.randint(last, len(self.changes))
        names: dict[Folder, dict[str, Node]] = {}
        for number, change in enumerate(self.changes):
            for folder, name, node in change.kept(rng, share) if loose else change.parts if number < cut else []:
                inside = names.setdefault(folder, dict(folder.before))
                old = inside.get(name)
                removed = node is None and len(change.parts) == 1
                if removed and isinstance(old, Folder) and names.get(old, old.before):
                    continue  # a folder whose content is still there is not gone
                if node is None:
                    inside.pop(name, None)
                else:
                    inside[name] = node
        lost = {file: file.after_loss(rng, sector, share) for file in _files(self.top, names, set())}
        return _content(self.top, {}, names, lost)

    def _place(self, path: str) -> tuple[Folder, str]:
        parts = Path(path).relative_to(self.root).parts
        folder: Node = self.top
        for part in parts[:-1]:
            assert isinstance(folder, Folder)
            folder = folder.now[part]
        assert isinstance(folder, Folder)
        return folder, parts[-1] if parts else ""

    def _find(self, path: str) -> Node:
        folder, name = self._place(path)
        return folder.now[name] if name else folder

    def _known(self, path: str) -> Node:
        """Return what is there, also outside of the root."""
        return self._find(path) if Path(path).is_relative_to(self.root) else _node(Path(path))

    def _change(self, *parts: tuple[Folder, str, Node | None]) -> None:
        for folder, name, node in parts:
            if node is None:
                folder.now.pop(name, None)
            else:
                folder.now[name] = node
        self.changes.append(Change(list(parts)))

    def _open(self, call: Call) -> None:
        if call.flags & CREATED:
            self._change((*self._place(call.first), File(bytearray())))
        node = self.handles[call.handle] = self._known(call.first)
        if call.flags & EMPTIED and isinstance(node, File) and node.now:
            node.resize(0)

    _look = _open

    def _close(self, call: Call) -> None:
        self.handles.pop(call.handle, None)

    _leave = _close

    def _write(self, call: Call) -> None:
        node = self.handles[call.handle]
        assert isinstance(node, File)
        if call.data:
            node.write(call.offset, call.data)

    def _size(self, call: Call) -> None:
        node = self.handles[call.handle]
        assert isinstance(node, File)
        node.resize(call.offset)

    def _sync(self, call: Call) -> None:
        node = self.handles[call.handle]
        assert isinstance(node, File | Folder)
        if isinstance(node, File):
            node.flush()
        else:
            for change in self.changes:
                if any(folder is node for folder, *_ in change.parts):
                    change.flushed.add(node)

    def _mkdir(self, call: Call) -> None:
        self._change((*self._place(call.first), Folder()))

    def _symlink(self, call: Call) -> None:
        self._change((*self._place(call.second), Link(call.first)))

    def _unlink(self, call: Call) -> None:
        self._change((*self._place(call.first), None))

    _rmdir = _unlink

    def _rename(self, call: Call) -> None:
        node, old, new = self._find(call.first), self._place(call.first), self._place(call.second)
        self._change((*old, None), (*new, node))

    def _link(self, call: Call) -> None:
        self._change((*self._place(call.second), self._known(call.first)))


def on_disk(root: Path) -> Content:
    """Return what a folder holds, as `Picture.content` does."""
    return _content(_folder(root), {})


def put(root: Path, content: Content) -> None:
    """Make a folder hold this and nothing else; several names of one file become several files."""
    shutil.rmtree(root)
    root.mkdir()
    for name, what in content.items():
        path = root / name
        if what is None:
            path.mkdir()
        elif isinstance(what, str):
            path.symlink_to(what)
        else:
            path.write_bytes(what)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        _resize(content, offset)
    content[offset : offset + len(data)] = data


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


def _node(path: Path) -> Node:
    if path.is_symlink():
        return Link(str(path.readlink()))
    if path.is_dir():
        return _folder(path)
    content = path.read_bytes()
    return File(bytearray(content), content)


def _folder(path: Path, known: dict[tuple[int, int], Node] | None = None) -> Folder:
    known = {} if known is None else known  # hard links are one file
    names: dict[str, Node] = {}
    for child in sorted(path.iterdir()):
        found = child.lstat()
        key = (found.st_dev, found.st_ino)
        if key not in known:
            known[key] = _folder(child, known) if child.is_dir() and not child.is_symlink() else _node(child)
        names[child.name] = known[key]
    return Folder(dict(names), dict(names))


def _files(folder: Folder, names: dict[Folder, dict[str, Node]], found: set[File]) -> list[File]:
    """Return every file that is left, in the order of names, each once."""
    files = []
    for _, node in sorted(names.get(folder, folder.before).items()):
        if isinstance(node, Folder):
            files += _files(node, names, found)
        elif isinstance(node, File) and node not in found:
            found.add(node)
            files.append(node)
    return files


def _content(
    folder: Folder,
    out: Content,
    names: dict[Folder, dict[str, Node]] | None = None,
    lost: dict[File, bytes] | None = None,
    above: str = "",
) -> Content:
    inside = folder.now if names is None else names.get(folder, folder.before)
    for name, node in sorted(inside.items()):
        path = f"{above}{name}"
        if isinstance(node, Folder):
            out[path] = None
            _content(node, out, names, lost, f"{path}/")
        elif isinstance(node, Link):
            out[path] = node.text
        else:
            out[path] = bytes(node.now) if lost is None else lost[node]
    return out
