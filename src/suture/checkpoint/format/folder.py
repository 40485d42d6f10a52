"""A checkpoint on disk: its shards, where each tensor lies, and the files beside them. Reads headers, never weights.

Refused, with the reason and the way out: pickled weights, shards that do not agree with their index, file names that
lead out of the folder, links that do. Nothing in config.json is ever executed; it is data here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CorruptFile, MissingFile, PatchMismatch, UnsupportedModel, UsageError
from ...text.printable import command_line
from .header import Slot, read_header, read_json, regular

SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
LEDGER, INTENT, KEPT = "suture.json", "suture.intent", "suture"  # what suture itself keeps in a checkpoint
PARTIAL = ".partial"  # how the name of a folder ends that is not written to its end
BEGUN = "suture.begun"  # while something is written: what is, see `begun`
OURS = (LEDGER, INTENT, KEPT, BEGUN, f"{LEDGER}.partial", f"{INTENT}.partial")
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,250}\.safetensors")
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # how a repository of the Hub is called
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
LARGEST_INDEX = 100_000_000  # bytes
CONVERT = (
    "Convert it where you trust it: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW) in transformers."
)


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
        config = read_json(path / CONFIG) if (path / CONFIG).exists() else {}
        names, listed = weight_files(path)
        slots: dict[str, Slot] = {}
        for name in names:
            for slot in read_header(inside(path, path / name)).values():
                if slot.name in slots:
                    raise CorruptFile(f"{slot.name} stands in two shards of {path}", fix="Fetch the checkpoint again.")
                slots[slot.name] = slot
        if listed is not None and listed != {name: slot.file.name for name, slot in slots.items()}:
            odd = sorted({*listed.items()} ^ {(name, slot.file.name) for name, slot in slots.items()})
            raise CorruptFile(
                f"the index of {path} and its shards disagree",
                why=f"First at {odd[0][0]!r}.",
                fix="Fetch the checkpoint again.",
            )
        shards = [path / name for name in names]
        others = [file for file in _files(path, path) if path / file not in shards]
        return cls(path, slots, shards, others, config, _notes(others, config))

    def slot(self, name: str) -> Slot:
        """Return where a tensor lies.

        Raises:
            UnsupportedModel: when the checkpoint holds it quantised only.
            PatchMismatch: when there is none.
        """
        from .unsupported import GRID, scheme

        if quantised := scheme(self, name):
            raise UnsupportedModel(
                f"{name} is quantised: {quantised}",
                why=GRID,
                fix="Apply the patch to the unquantised checkpoint, then quantise that again.",
            )
        if name not in self.slots:
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


def inside(folder: Path, path: Path) -> Path:
    """Return a path that lies in a folder, also after following links.

    The Hub's cache keeps files as links into the `blobs` of the same repository; that, too, is inside.

    Raises:
        CorruptFile: when it leads elsewhere.
    """
    root, target = folder.resolve(), path.resolve()
    blobs = root.parents[1] / "blobs" if root.parent.name == "snapshots" else root
    if not (target.is_relative_to(root) or target.is_relative_to(blobs)):
        raise CorruptFile(
            f"{path} is a link that leads out of the checkpoint",
            why=f"It points to {target}.",
            fix="Replace the link by the file, if you trust it.",
        )
    return path


def check_folder(path: Path) -> None:
    """Raise UsageError when there is no such folder."""
    if path.is_dir():
        return
    fix = "Give a folder that save_pretrained wrote"
    if path.is_file():
        fix = f"{fix}; perhaps the one it lies in: {path.parent}"
    elif path.with_name(f"{path.name}{PARTIAL}").is_dir():
        fix = f"A run was building it, or was stopped in that: {command_line('fsck', path)} sweeps it"
    elif REPOSITORY.fullmatch(str(path)):
        fix = f"{fix}. If it is a name on the Hub, fetch it first: hf download {path} --local-dir FOLDER"
    why, kind = ("It is a file.", UsageError) if path.is_file() else ("There is nothing of that name.", MissingFile)
    raise kind(f"no checkpoint folder {path}", why=why, fix=f"{fix}.")


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


def weight_files(path: Path) -> tuple[list[str], dict[str, str] | None]:
    """Return the names of the shards, and what the index says of each tensor if there is one.

    Raises:
        UsageError: when there are no weights.
        UnsupportedModel: when they are pickled.
        CorruptFile: when there are two sets of them, or the index is damaged.
    """
    single, index = (path / SINGLE).exists(), (path / INDEX).exists()
    if single and index:
        raise CorruptFile(
            f"{path} has both {SINGLE} and {INDEX}",
            why="Which of them a loader takes depends on the loader.",
            fix="Remove the one that is not meant.",
        )
    if single:
        return [SINGLE], None
    if not index:
        pickled = sorted(f.name for f in path.iterdir() if f.suffix in PICKLED)
        if pickled:
            raise UnsupportedModel(
                f"{path} holds its weights as pickles", why=f"{pickled[0]}: loading one can run any code.", fix=CONVERT
            )
        raise UsageError(
            f"{path} is not a checkpoint", why=f"It has neither {SINGLE} nor {INDEX}.", fix="Give the model's folder."
        )
    content = read_json(inside(path, path / INDEX), LARGEST_INDEX).get("weight_map")
    if not isinstance(content, dict) or not content or not all(isinstance(v, str) for v in content.values()):
        raise CorruptFile(f"{path / INDEX} has no weight_map", fix="Fetch the checkpoint again.")
    names = sorted(set(content.values()))
    for name in names:
        if not SAFE.fullmatch(name):
            raise CorruptFile(
                f"{path / INDEX} names an unsafe file", why=f"{name[:80]!r}", fix="Do not use this checkpoint."
            )
    return names, content


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


def _notes(others: list[Path], config: dict[str, Any]) -> list[str]:
    stale = [str(file) for file in others if file.suffix in (".safetensors", ".bin", ".pt", ".pth", ".gguf")]
    notes = [f"{', '.join(stale)}: copied as they are; weights in them stay unpatched"] if stale else []
    if "auto_map" in config:
        notes.append("config.json names code of its own (auto_map): copied, never executed")
    return notes
