"""A run: a folder that says what was asked, on what machine, and how far it got; an interrupted one can be continued.

runs/<utc>-<name>/
  recipe.yaml     command (a list of words), folder it ran in, settings, SHA-256 of the method files it names
  recipe.yaml.mine  says that this user recorded it (`authorship`)
  env.json        versions and platform: a fixed list of fields, nothing from the environment
  events.jsonl    a line an event, flushed at once: time, stage, figures; SHA-256 of each finished stage's file
  ...             the results

with Run.begin("probe", command, settings) as run:
    probe = run.stage("probe", produce, save, load)     # loaded instead, if an earlier run of this folder finished it
    run.result = "96 % held out"
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..checkpoint.write.locks import UNLOCKABLE, locked
from ..errors import DataError, Interrupted, SutureError, UsageError
from ..io.files import check_writable, sha256, write_text, written
from ..io.system import reported
from ..text.printable import command_line
from ..text.redact import hidden
from . import authorship

ROOT = Path("runs")
RESULT = ".safetensors"
PATCH = "suture.patch/1"
NAMES = ("env.json", "events.jsonl", "ledger.jsonl")  # what a run writes beside its results
PACKAGES = ("suture", "torch", "transformers", "tokenizers", "safetensors", "numpy")
PLAIN = (str, int, float, bool, type(None))
State = Literal["finished", "failed", "interrupted", "running"]
T = TypeVar("T")


@dataclass(eq=False)
class Run:
    """What a command does, recorded as it goes.

    Attributes:
        folder: where; None records nothing and makes every stage anew.
        file: where the one result of an unrecorded run goes.
        result: one line for people, shown by `suture runs`.
    """

    folder: Path | None
    file: Path = Path()
    result: str = ""
    _hashes: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    @contextmanager
    def begin(
        cls,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, Any],
        out: Path | None = None,
        *,
        form: str = PATCH,
    ) -> Iterator[Run]:
        """Open a run and close it as finished, failed or interrupted.

        Args:
            name: of a new folder below ROOT.
            command: words of the command line; what `suture resume` executes again.
            settings: of the method, for people; values that are no plain ones are left out.
            out: use this folder; it may hold an earlier, unfinished run of the same command. A path that ends in RESULT is
                a file: it alone is written and nothing recorded.
            form: format of that file; one of another format is not replaced.

        Raises:
            UsageError: when the folder can not be written, holds a run of another command, or something else of a name
                that a run uses; when the file is there and of another format.
            ResourceError: when another process works in the folder.
            Interrupted: instead of KeyboardInterrupt, saying how to continue.
        """
        if out is not None and out.suffix == RESULT:
            from ..io.tensorfile import check_form  # torch: `suture runs` needs none of it

            check_writable(out.parent)
            check_form(out, form)  # now: what takes minutes is not made in vain
            yield cls(None, out)
            return
        if out is not None:
            check_writable(out)
        folder = out or new_folder(name)
        with _alone(folder):
            run = cls(folder)
            run._open(list(command), settings)
            try:
                yield run
            except KeyboardInterrupt as problem:
                run.event("interrupted")
                raise Interrupted("interrupted", fix=command_line("resume", run.folder)) from problem
            except BaseException as problem:
                what = problem.what if isinstance(problem, SutureError) else f"{type(problem).__name__}: {problem}"
                run.event("failed", result=what)
                raise
            run.event("finished", result=run.result)

    def path(self, name: str) -> Path:
        """Return where a result of that name goes."""
        return self.file if self.folder is None else self.folder / name

    def event(self, stage: str, **figures: Any) -> None:  # noqa: ANN401 - anything JSON can hold
        """Append one line to events.jsonl."""
        if self.folder is None:
            return
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        log = self.folder / "events.jsonl"
        with reported(f"can not write {log}"), log.open("a", encoding="utf-8") as stream:
            stream.write(hidden(json.dumps({"time": now, "stage": stage, **figures}, default=str)) + "\n")

    def stage(
        self,
        name: str,
        produce: Callable[[], T],
        save: Callable[[T, Path], Any],
        load: Callable[[Path], T],
        *,
        suffix: str = RESULT,
    ) -> T:
        """Return a stage's result: from its file if that is there and whole, else made now and written.

        An unrecorded run has a single stage: its result goes to `file`.

        Args:
            name: of the stage; its file is `name + suffix` in the run's folder.
            produce: makes the result.
            save: writes it to a path.
            load: reads it from a path.
            suffix: of the file.
        """
        file = self.path(f"{name}{suffix}")
        if self.folder and file.is_file() and self._hashes.get(name) == sha256(file):
            self.event("reused", of=name)
            return load(file)
        result = produce()
        with written(file) as partial:
            save(result, partial)
        self._hashes[name] = sha256(file)
        self.event("made", of=name, sha256=self._hashes[name])
        return result

    def discard(self, name: str, *, suffix: str = RESULT) -> None:
        """Remove a stage's file that no later stage needs; asked for again, it would be made again."""
        if self.folder is not None:
            self._hashes.pop(name, None)
            self.path(f"{name}{suffix}").unlink(missing_ok=True)

    def _open(self, command: list[str], settings: Mapping[str, Any]) -> None:
        assert self.folder is not None
        command = [hidden(word) for word in command]
        if (self.folder / "recipe.yaml").exists():
            earlier = recipe(self.folder)["command"]
            if without_out(earlier) != without_out(command):
                raise UsageError(
                    f"{self.folder} holds a run of another command",
                    why=f"It is: suture {' '.join(earlier)}",
                    fix=f"Give another `out`, or continue that one: {command_line('resume', self.folder)}",
                )
            history = events(self.folder)
            if any(e.get("command", _digest(command)) != _digest(command) for e in history if e["stage"] == "began"):
                raise UsageError(
                    f"{self.folder / 'recipe.yaml'} was changed since this run began",
                    why="What is finished in this folder was made by another command.",
                    fix="Give the new command with another `out`, or put the old one back.",
                )
            self._hashes = {e["of"]: e["sha256"] for e in history if e["stage"] == "made"}
        else:
            import yaml

            _check_free(self.folder)
            plain = {key: value for key, value in settings.items() if isinstance(value, PLAIN)}
            content = {
                "command": command,
                "folder": str(Path.cwd()),
                "settings": plain,
                "files": authorship.method_files(command),
            }
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            write_text(self.folder / "recipe.yaml", text)
            authorship.sign(self.folder / "recipe.yaml")
        write_text(self.folder / "env.json", json.dumps(environment(), indent=1))
        self.event("began", process=os.getpid(), command=_digest(command))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder: two that went on with one run would write the same files.

    Where the file system has no locks, nobody is kept out.
    """
    with reported(f"can not write {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, exclusive=True))
        except SutureError:
            raise
        except OSError as problem:
            if problem.errno not in UNLOCKABLE:
                raise
        yield


def _check_free(folder: Path) -> None:
    """Raise UsageError when a folder that holds no run has files of the names that one writes."""
    names = [path.name for path in sorted(folder.glob("*")) if path.suffix == RESULT or path.name in NAMES]
    if names:
        raise UsageError(
            f"{folder} holds {names[0]}, which is not of a run", why="It could be replaced.", fix="Give a new folder."
        )


@dataclass(frozen=True)
class Summary:
    """A run as `suture runs` lists it."""

    folder: Path
    began: str
    state: State
    command: list[str]
    result: str


def listed(root: Path = ROOT) -> list[Summary]:
    """Return the runs below a folder, the latest first."""
    summaries = [_summary(file.parent) for file in root.glob("*/recipe.yaml")]
    return sorted(summaries, key=lambda summary: (summary.began, summary.folder.name), reverse=True)


def recipe(folder: Path) -> dict[str, Any]:
    """Return what a run was asked: "command", "folder", "settings".

    Raises:
        UsageError: when the folder holds no run.
        DataError: when its recipe can not be read.
    """
    from ..io import yaml_text

    file, again = folder / "recipe.yaml", "Start the command again in another folder."
    if not file.is_file():
        raise UsageError(f"{folder} is not a run", why="It has no recipe.yaml.", fix="Choose one of: suture runs")
    _, content = yaml_text.read(file, again)
    words = content.get("command") if isinstance(content, dict) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{file} names no command", fix=again)
    fields = {"folder": ".", "settings": {}, "files": {}, **content}
    if not isinstance(fields["folder"], str) or not isinstance(fields["files"], dict):
        raise DataError(f"{file} is no recipe", why="Its folder or files are none.", fix=again)
    return fields


def events(folder: Path) -> list[dict[str, Any]]:
    """Return the events of a run in order; a last line cut off by a crash is left out."""
    file = folder / "events.jsonl"
    history = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else ():
        try:
            history.append(dict(json.loads(line)))
        except ValueError:
            break
    return history


def environment() -> dict[str, Any]:
    """Return versions and platform. A fixed list of fields: nothing here can be a secret."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def new_folder(name: str) -> Path:
    """Return a folder that is not there yet: runs/<utc>-<name>."""
    first = ROOT / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{name}"
    folder, number = first, 1
    while folder.exists():  # two runs in the same second
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder


def without_out(command: Sequence[str]) -> list[str]:
    """Return the words of a command without its --out: where results go does not change what they are."""
    words, skip = [], False
    for word in command:
        if not skip and not word.startswith(("--out", "-o")):
            words.append(word)
        skip = not skip and word in ("--out", "-o")
    return words


def _digest(command: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(without_out(command)).encode()).hexdigest()[:16]


def _summary(folder: Path) -> Summary:
    history = events(folder)
    last = history[-1] if history else {}
    state: State = "interrupted"  # killed without a chance to say so
    if last.get("stage") in ("finished", "failed"):
        state = last["stage"]
    elif last and last["stage"] != "interrupted" and _alive(_process(history)):
        state = "running"
    try:
        command = recipe(folder)["command"]
    except UsageError as problem:
        return Summary(folder, "", "failed", [], problem.what)
    return Summary(folder, history[0]["time"] if history else "", state, command, str(last.get("result", "")))


def _process(history: list[dict[str, Any]]) -> int:
    return next((int(e["process"]) for e in reversed(history) if e["stage"] == "began"), 0)


def _alive(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
