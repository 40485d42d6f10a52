"""Checkpoints and patches made by hand, without transformers, and disks that fail."""

import errno
import hashlib
import json
import os
import shutil
import signal
import struct
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import torch

from suture.checkpoint.format.folder import INTENT
from suture.checkpoint.write.disk import Disk
from suture.errors import SutureError
from suture.io.tensorfile import NAMES, view
from suture.patch.delta import Dense, Entries, LowRank
from suture.patch.patch import Patch

CONFIG = {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False}


SEEN: Counter[str] = Counter()  # cases that passed, by promise; printed by benchmarks/exact.py


def cases(few: int) -> int:
    """Examples that hypothesis tries: few, or as many as SUTURE_CASES says."""
    return int(os.environ.get("SUTURE_CASES", few))


def counted(promise: str) -> None:
    SEEN[promise] += 1


def shard(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    header, blobs, position = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in tensors.items():
        blob = view(tensor)
        header[name] = {
            "dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [position, position + len(blob)],
        }  # fmt: skip
        blobs.append(blob)
        position += len(blob)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_checkpoint(folder: Path, tensors: dict[str, torch.Tensor], shards: int = 2, config=CONFIG) -> Path:
    """A checkpoint folder; the tensors are dealt out to the shards in turn."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer ä.json").write_text("{}")
    (folder / "more").mkdir()
    (folder / "more" / "template.txt").write_text("hello")
    if shards == 1:
        shard(folder / "model.safetensors", tensors)
        return folder
    names = list(tensors)
    where = {n: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, n in enumerate(names)}
    for file in sorted(set(where.values())):
        shard(folder / file, {n: tensors[n] for n in names if where[n] == file})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder


class Tensors:
    """A host for patches: tensors by name."""

    def __init__(self, tensors):
        self.tensors, self.name, self.fingerprint = tensors, "by hand", ""

    def tensor(self, name):
        tensor = self.tensors[name]
        return tensor.flatten(0, 1) if tensor.dim() == 3 else tensor

    def disk_dtype(self, name):
        return self.tensors[name].dtype


def weights(dtype=torch.bfloat16, seed=0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = {"a.weight": (24, 8), "b.weight": (6, 16), "experts": (3, 4, 5), "norm": (8,), "c.weight": (10, 10)}
    return {name: torch.randn(shape, generator=g).to(dtype) for name, shape in shapes.items()}


def patch_of(tensors, seed=0, names=("a.weight", "experts", "norm")) -> Patch:
    """A patch with a low-rank, an entries and a dense change, on the tensors named."""
    g = torch.Generator().manual_seed(100 + seed)
    host, changes = Tensors(tensors), {}
    for number, name in enumerate(names):
        shape = host.tensor(name).shape
        kind = (seed + number) % 3 if len(shape) == 2 else 2
        if kind == 0:
            rows = torch.randperm(shape[0], generator=g)[:3].sort().values
            left, right = torch.randn(3, 2, generator=g), torch.randn(2, shape[1], generator=g)
            changes[name] = LowRank(left, right, rows)
        elif kind == 1:
            changes[name] = Entries(torch.tensor([0, 7, 13]), torch.randn(3, generator=g) + 2)
        else:
            changes[name] = Dense(torch.randn(shape, generator=g))
    return Patch.make(host, changes, method="test", settings={"seed": seed})


def digests(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def snapshot(folder):
    """Names, contents and times of everything, links as what they say."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path)] = (state.st_mode, state.st_mtime_ns, state.st_ino, content)
    return found


class Quick(Disk):
    """A disk that does not wait: for tests of what is written, not of when."""

    def sync(self, handle):
        pass


QUICK = Quick()


class Counting(Quick):
    """A disk that numbers its operations from 1, whichever thread asks."""

    def __init__(self) -> None:
        self.count, self.lock = 0, Lock()

    def step(self, what, path):
        with self.lock:
            self.count += 1
            number = self.count
        self.reached(number, what, path)


class Failing(Counting):
    """A disk whose n-th operation (and, if asked, every later one) fails."""

    def __init__(self, at: int, code: int = errno.EIO, *, forever: bool = False) -> None:
        super().__init__()
        self.at, self.code, self.forever = at, code, forever

    def reached(self, number, what, path):
        if number == self.at or (self.forever and number > self.at):
            raise OSError(self.code, f"made to fail: {what}", str(path))


class Killing(Counting):
    """A disk on which the process is killed before the n-th operation, as `kill -9` would."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def reached(self, number, what, path):
        if number == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Keeping(Counting):
    """A disk that copies a folder before each operation (or one of them): what a process killed there would leave."""

    def __init__(self, place: Path, into: Path, at: int | None = None) -> None:
        super().__init__()
        self.place, self.into, self.at = place, into, at

    def step(self, what, path):
        with self.lock:  # no other thread begins an operation meanwhile; those under way end, or are seen half done
            self.count += 1
            if self.at not in (None, self.count):
                return
            target = self.into / str(self.count)
            while True:
                try:
                    shutil.copytree(self.place, target, symlinks=True)
                    return
                except (FileNotFoundError, shutil.Error):  # another thread has just renamed or removed a file
                    shutil.rmtree(target)


def killed_anywhere(make, work, into: Path) -> Iterator[tuple[Path, bool]]:
    """Yield what is left of a folder by processes killed before each operation in turn; at last, one that came to its end.

    A killed process leaves what is on the disk at that instant. So the command is run once, and the folder copied before
    each operation; every sixteenth time a process is killed in earnest.

    Args:
        make: makes the folder as it is before the command, at a path.
        work: runs the command with (the folder, a disk).
        into: an empty folder for all of them; what is yielded goes again afterwards.

    Yields:
        A folder, and whether the command came to its end.
    """
    watched = into / "watched"
    make(watched)
    disk = Keeping(watched, into)
    work(watched, disk)
    for number in range(1, disk.count + 1):
        path = into / str(number)
        if number % 16 == 0:
            shutil.rmtree(path)
            make(path)
            assert in_child(lambda path=path, at=number: work(path, Killing(at))) == -signal.SIGKILL
        yield path, False
        shutil.rmtree(path)
    yield watched, True


def half_done(folder: Path, work) -> None:
    """Leave a checkpoint between two states, as runs do that are killed one after the other, each an operation later.

    Args:
        folder: the checkpoint.
        work: changes it in place, with a disk.
    """
    at, into = 0, folder.with_name("half done")
    while not (folder / INTENT).exists():
        at += 1
        into.mkdir()
        work(Keeping(folder, into, at))
        shutil.rmtree(folder)
        (into / str(at)).rename(folder)
        into.rmdir()


def in_child(work) -> int:
    """Run `work` in a process of its own; returns its exit status, negative for a signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch has threads, the child uses none of them
        child = os.fork()
    if not child:
        try:
            work()
        except SutureError as problem:
            os._exit(problem.exit_code)
        except BaseException:
            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def as_user(place, work):
    """Run `work` as a user who owns everything in a folder, and whom permissions bind; returns what it returns."""

    nobody = 65534

    def lowered():
        if os.geteuid() == 0:
            os.seteuid(nobody)
        work()

    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, nobody, nobody, follow_symlinks=False)
    return in_child(lowered)


class PressedAt:
    """Presses Ctrl-C at the n-th bytecode of what the main thread runs in the block, in Python's own library too.

    Attributes:
        place: where it was pressed, for people; empty if there were not so many.
    """

    def __init__(self, at):
        self.at, self.count, self.place = at, 0, ""

    def __enter__(self):
        self.handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self.before = sys.gettrace()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)
        left = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        assert left == (signal.default_int_handler, self.handlers[signal.SIGTERM]), f"{self.place}: handlers {left}"

    def begin(self):
        """Count from here on, inside of the block."""
        frame = sys._getframe(1)
        while frame:
            frame.f_trace, frame.f_trace_lines, frame.f_trace_opcodes = self._reached, False, True
            frame = frame.f_back
        sys.settrace(self._called)

    def _called(self, frame, event, arg):
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._reached

    def _reached(self, frame, event, arg):
        if event == "opcode" and not self.place:
            self.count += 1
            if self.count == self.at:
                self.place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self._reached
