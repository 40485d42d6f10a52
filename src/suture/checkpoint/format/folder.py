"""A checkpoint on disk: its shards, where each tensor lies, and the files beside them. Reads headers, never weights.

Refused, with the reason and the way out: pickled weights, shards that do not agree with their index, file names that
lead out of the folder, links that do. Nothing in config.json is ever executed; it is data here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CorruptFile, MissingFile, PatchMismatch
from ...text.printable import command_line
from .causes import WRAPPERS, fault, renamed
from .contents import ADAPTER, inside, read_config, told_file, weight_files
from .header import Slot, read_header, read_json, regular

LEDGER, INTENT, KEPT = "suture.json", "suture.intent", "suture"  # what suture itself keeps in a checkpoint
PARTIAL = ".partial"  # how the name of a folder ends that is not written to its end
BEGUN = "suture.begun"  # while something is written: what is, see `begun`
OURS = (LEDGER, INTENT, KEPT, BEGUN, f"{LEDGER}.partial", f"{INTENT}.partial")
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # how a repository of the Hub is called


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a checkpoint folder.

    Attributes:
        path: the folder.
        slots: where each tensor lies, by name.
        shards: the weight files, sorted.
        others: every other file, relative to the folder; what suture keeps there is left out.
        config: config.json, as data; empty if there is none.
        notes: what a careful user should know.
    """

    path: Path
    slots: dict[str, Slot] = field(repr=False)
    shards: list[Path] = field(repr=False)
    others: list[Path] = field(repr=False)
    config: dict[str, Any] = field(repr=False)
    notes: list[str]

    @classmethod
    def open(cls, path: Path, *, unfinished: bool = False) -> Checkpoint:
        """Read headers and index. Who reads weights as well holds the lock meanwhile: see `reading.reading`.

        Args:
            path: the folder.
            unfinished: also where a change was not finished: for those who finish it, or say so.

        Raises:
            UsageError: when there is no such folder.
            UnsupportedModel: when its weights are not in safetensors.
            CorruptFile: when anything does not fit together, or a change of it was not finished.
        """
        check_folder(path)
        if not unfinished:
            check_finished(path)
        config = read_config(path)
        names, listed = weight_files(path)
        slots: dict[str, Slot] = {}
        for name in names:
            for slot in read_header(inside(path, path / name)).values():
                if slot.name in slots:
                    raise fault("two shards", name=path, tensor=slot.name)
                slots[slot.name] = slot
        for name, shard in sorted((listed or {}).items()):
            if name not in slots or slots[name].file.name != shard:
                raise fault("index", name=path, tensor=name, file=shard)
        shards = [path / name for name in names]
        others = [file for file in _files(path, path) if path / file not in shards]
        unlisted = sorted({*slots} - {*listed}) if listed else []
        return cls(path, slots, shards, others, config, _notes(others, config, unlisted))

    def slot(self, name: str) -> Slot:
        """Return where a tensor lies.

        Raises:
            UnsupportedModel: when the checkpoint holds it quantised only.
            PatchMismatch, CorruptFile: when there is none.
        """
        from .unsupported import scheme

        if quantised := scheme(self, name):
            raise fault("quantised", name=name, scheme=quantised)
        if name not in self.slots:
            for prefix in WRAPPERS:
                if f"{prefix}{name}" in self.slots:
                    names = sorted(t.removeprefix(prefix) for t in self.slots if t.startswith(prefix))
                    raise renamed(self.path, prefix, names, len(self.slots))
            raise PatchMismatch(
                f"{self.path} has no tensor {name}",
                why="The patch names a tensor of another architecture or size.",
                fix="Use the model named in the patch: suture show PATCH",
            )
        return self.slots[name]

    def bytes(self) -> int:
        """Return the bytes of disk that a copy of all files takes."""
        return sum(disk_bytes(file) for file in (*self.shards, *(self.path / other for other in self.others)))


def disk_bytes(file: Path) -> int:
    """Return the bytes of disk that a file takes; its holes take none, and copies keep them."""
    status = regular(file)
    return min(status.st_size, status.st_blocks * 512)


def check_folder(path: Path) -> None:
    """Raise UsageError when there is no such folder."""
    if path.is_dir():
        return
    if path.is_file():
        raise told_file(path, path)
    fix = "Give a folder that save_pretrained wrote"
    if path.with_name(f"{path.name}{PARTIAL}").is_dir():
        fix = f"A run was building it, or was stopped in that: {command_line('fsck', path)} sweeps it"
    elif REPOSITORY.fullmatch(str(path)):
        fix = f"{fix}. If it is a name on the Hub, fetch it first: hf download {path} --local-dir FOLDER"
    raise MissingFile(f"no checkpoint folder {path}", why="There is nothing of that name.", fix=f"{fix}.")


def check_finished(path: Path) -> None:
    """Raise CorruptFile when a folder is between two states: a change in place that was stopped, or a copy under way."""
    if (path / INTENT).exists():
        raise CorruptFile(
            f"{path} is between two states",
            why=f"A run of suture was stopped while it changed it in place: {told_intent(path)}. Some rows are old, some new.",
            fix=f"Finish that: {command_line('fsck', path)}    or take it back: {command_line('fsck', path, '--rollback')}",
        )
    here = path.absolute()  # "." has another name, seen from elsewhere
    stage = here.parent if (here.parent / BEGUN).exists() else here  # in which it is built
    if stage.name.endswith(PARTIAL):
        whole = stage.with_name(stage.name.removesuffix(PARTIAL))
        raise CorruptFile(
            f"{path} is not a finished checkpoint",
            why=f"A new folder is built in one called {PARTIAL} until all of it is written.",
            fix=f"Sweep it: {command_line('fsck', whole)}    or rename it, if it is yours.",
        )


def told_intent(folder: Path) -> str:
    """Return for people between which patches an interrupted run was."""
    try:
        content = read_json(folder / INTENT)
        before, after = (
            [f"{entry['name']} ({entry['sha256'][:8]})" for entry in content[which]["patches"]]
            for which in ("old", "new")
        )
    except (CorruptFile, KeyError, TypeError):
        return f"{INTENT} is damaged"
    return f"from {', '.join(before) or 'no patch'} to {', '.join(after) or 'no patch'}"


def _files(root: Path, folder: Path) -> list[Path]:
    files = []
    for file in sorted(folder.iterdir()):
        if folder == root and file.name in OURS:
            continue
        inside(root, file)
        if file.is_dir():
            files += _files(root, file)
        else:
            regular(file)
            files.append(file.relative_to(root))
    return files


def _notes(others: list[Path], config: dict[str, Any], unlisted: list[str]) -> list[str]:
    stale = [str(file) for file in others if file.suffix in (".safetensors", ".bin", ".pt", ".pth", ".gguf")]
    notes = [f"{', '.join(stale)}: copied as they are; weights in them stay unpatched"] if stale else []
    if Path(ADAPTER) in others:
        notes.append(f"{ADAPTER}: loaders put that adapter on these weights")
    if unlisted:
        more = f" and {len(unlisted) - 1} more" if len(unlisted) > 1 else ""
        notes.append(f"{unlisted[0]}{more}: in the files, and not in their index; kept as it is there")
    if "auto_map" in config:
        notes.append("config.json names code of its own (auto_map): copied, never executed")
    return notes
