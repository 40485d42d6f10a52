"""What the storm below Python is played on: checkpoints in known states, and commands that lead from one to the next."""

import importlib
import json
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from _journal import Call, read_journal
from _powerloss import Content, Picture, on_disk
from _processes import Ended, Processes, mask, warm_model
from _readers import READERS, read_by_library, read_plainly
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from checkpoint_parts import patch_of, write_checkpoint


@dataclass(frozen=True)
class Command:
    """One command line that writes.

    Attributes:
        words: for `suture`; they are run beside the checkpoint `ckpt`.
        start: which state `ckpt` is in.
        target: what it makes or changes.
        how: "in place", "new folder", "file", "repair".
        weight: how often it is drawn.
        by_number: repeated on what it made, it means something else.
    """

    words: tuple[str, ...]
    start: str
    target: str
    how: str
    weight: float
    by_number: bool = False

    @property
    def name(self) -> str:
        return " ".join(self.words)


def command(line: str, start: str, how: str, weight: float, *, by_number: bool = False) -> Command:
    words = tuple(line.split())
    return Command(words, start, words[words.index("-o") + 1] if "-o" in words else "ckpt", how, weight, by_number)


COMMANDS = [
    command("apply ckpt p1.safetensors --in-place", "base", "in place", 2),
    command("apply ckpt p1.safetensors --in-place --quick", "base", "in place", 2),
    command("apply ckpt p2.safetensors --in-place", "one", "in place", 1),
    command("revert ckpt 1 --in-place", "two", "in place", 1, by_number=True),
    command("revert ckpt 2 --in-place", "two", "in place", 1, by_number=True),
    command("revert ckpt p1.safetensors --in-place", "two", "in place", 1),
    command("revert ckpt --in-place", "two", "in place", 1),
    command("revert ckpt --in-place --quick", "quick", "in place", 1),
    command("apply ckpt p1.safetensors p2.safetensors -o out", "base", "new folder", 2),
    command("apply ckpt p1.safetensors -o out --link", "base", "new folder", 1),
    command("revert ckpt 1 -o out", "two", "new folder", 1),
    command("fsck ckpt", "half", "repair", 1),
    command("fsck ckpt --rollback", "half", "repair", 1),
    command("combine p1.safetensors p2.safetensors -o made.safetensors", "base", "file", 1),
    command("diff ckpt two -o made.safetensors", "base", "file", 1),
    command("export own.safetensors --to checkpoint --model patient --no-check -o out", "base", "export", 0.4),
]
MINE = {  # what a user has put there, by where; a text is where a link points
    "ckpt/suture/notes.txt": b"notes",
    "ckpt/suture/mine.partial": b"mine",
    "ckpt/suture/link": "../../mine/keep.txt",
    "mine/keep.txt": b"keep",
    "out.partial.txt": b"text",
    "out.partial-mine/keep.txt": b"keep",
    "out2.partial/keep.txt": b"keep",
    "made.safetensors.partial": b"made",
    ".made.mine.partial.safetensors": b"made",
}
TAKEN = {"out.partial/keep.txt": b"keep", "out.partial/more/link": "../../mine/keep.txt"}  # the very name suture takes


@dataclass
class Known:
    """What a command does where nothing fails: calls, contents before and after, answers of readers to either."""

    calls: list[Call]
    old: Content
    new: Content
    answers: dict[str, set[str]] = field(default_factory=dict)


class Bench(Processes):
    """Checkpoints in every state and a place to run commands on them.

    Args:
        work: an empty folder.
        mb: megabytes of the checkpoint.
    """

    def __init__(self, work: Path, mb: float) -> None:
        super().__init__(work, work / "round")
        self.known = dict[str, Known]()
        self.states, rows = work / "states", max(16, int(mb * 1e6 / 4 / 512))
        g = torch.Generator().manual_seed(0)
        names = [f"{kind}{n}" for n in range(4) for kind in ("w", "still")]
        tensors = {name: torch.randn(rows, 256, generator=g).bfloat16() for name in names}
        base = write_checkpoint(self.states / "base" / "ckpt", tensors, 3).parent
        patch_of(tensors, 0, ("w0", "w1", "w2")).save(base / "p1.safetensors")
        patch_of(tensors, 1, ("w3", "w0", "w1")).save(base / "p2.safetensors")
        self._own_patch().save(base / "own.safetensors")
        self._state("one", "base", "apply ckpt p1.safetensors --in-place")
        self._state("two", "one", "apply ckpt p2.safetensors --in-place")
        self._state("quick", "base", "apply ckpt p1.safetensors --in-place --quick")
        shutil.copytree(self.states / "two" / "ckpt", base / "two")
        second = {"FAULTS_CALLS": mask("write"), "FAULTS_AT": str(self._first_row()), "FAULTS_HOW": "after"}
        self._state("half", "one", "apply ckpt p2.safetensors --in-place", second)

    def place(self, start: str, extra: Content) -> None:
        """Begin a round: a fresh copy of a state, and a user's files in it."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.states / start, self.root, symlinks=True)
        for name, what in extra.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(what) if isinstance(what, str) else path.write_bytes(what or b"")

    def known_of(self, command: Command) -> Known:
        """Return what a command does where nothing fails; it is run once for that."""
        if command.name not in self.known:
            if command.how == "export":
                warm_model()
            self.place(command.start, {})
            found = Known([], plain(on_disk(self.root), {}), {})
            for name in READERS[command.how]:
                found.answers[name] = set() if command.how == "repair" else {self.read(name, command).answer}
            picture = Picture(self.root)
            ended = self.run(command.words, {"FAULTS_CALLS": "0"})
            found.calls = read_journal(self.journal)
            picture.replay(found.calls)
            if ended.code or picture.content() != on_disk(self.root):
                raise SystemExit(
                    f"suture {command.name} ends with {ended.code}, or its calls are not seen\n{ended.err}"
                )
            found.new = plain(on_disk(self.root), {})
            for name in READERS[command.how]:
                found.answers[name].add(self.read(name, command).answer)
            self.known[command.name] = found
        return self.known[command.name]

    def reader(self, name: str, command: Command, number: int = 0) -> int:
        """Start a reader of what a command makes or changes."""
        scratch = self.work / f"scratch{number}"
        if name in ("plain", "library"):
            read = read_plainly if name == "plain" else read_by_library
            return self.child(lambda: print(json.dumps(read(Path(command.target)))))
        words = {
            "verify": ("verify", command.target, "--json"),
            "show": ("show", command.target, "--json"),
            "diff": ("diff", str(self.states / "base" / "ckpt"), command.target, "-o", str(scratch), "--json"),
        }
        return self.start(words[name])

    def read(self, name: str, command: Command) -> Ended:
        return self.wait(self.reader(name, command))

    def _state(self, name: str, start: str, line: str, faults: dict[str, str] | None = None) -> None:
        self.place(start, {})
        ended = self.run(tuple(line.split()), faults)
        if ended.code != (-signal.SIGKILL if faults else 0):
            raise SystemExit(f"suture {line} ends with {ended.code}\n{ended.err}")
        shutil.copytree(self.root, self.states / name, symlinks=True)

    def _first_row(self) -> int:
        """Return which write of the second patch is the second to a file of weights."""
        self.place("one", {})
        self.run(("apply", "ckpt", "p2.safetensors", "--in-place"), {"FAULTS_CALLS": "0"})
        files: dict[int, str] = {}
        writes = [files[c.handle] for c in read_journal(self.journal) if places(c, files) == "write"]
        return [n for n, file in enumerate(writes, 1) if "/model-" in file][1]

    def _own_patch(self):
        """A patch of one matrix of the bundled model."""
        folder = Path(importlib.import_module("suture").__file__).parent / "organisms" / "model"
        with safe_open(next(folder.glob("*.safetensors")), "pt") as file:
            name = next(name for name in sorted(file.keys()) if "down_proj" in name)
            return patch_of({name: file.get_tensor(name)}, 0, (name,))


def places(call: Call, files: dict[int, str]) -> str:
    """Note what a call's handle stands for from now on; returns the kind of the call."""
    if call.kind in ("open", "look") and call.result >= 0:
        files[call.handle] = call.first
    return call.kind


def plain(content: Content, mine: Content) -> Content:
    """Return what a folder holds without a user's files, and without folders that something is in."""
    full = {str(parent) for name in content for parent in Path(name).parents}
    return {name: what for name, what in content.items() if name not in mine and not (what is None and name in full)}
