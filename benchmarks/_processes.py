"""Processes under faults.c: the library is compiled and loaded, a command is run as a copy of this program or afresh."""

import contextlib
import ctypes
import functools
import importlib
import io
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from _journal import KINDS
from _preload import LOADED

PROGRAM = "from suture.cli.main import run; run()"  # what `suture` is
HANGS = 120  # seconds after which a process is taken for one that never ends


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (negative: signal), and all it printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> str:
        """What a reader is told, as one text: without figures of time, and with one name for every scratch file."""
        return re.sub(r"scratch\d*", "scratch", json.dumps([self.code, self.out, self.err]))


class Processes:
    """Starts commands in a folder, and keeps what they print until they have ended.

    Args:
        work: a folder.
        root: the folder in it where commands are run, and below which their calls are seen.
    """

    def __init__(self, work: Path, root: Path) -> None:
        self.work, self.root, self.journal = work, root, work / "journal"

    def run(self, words: tuple[str, ...], faults: dict[str, str] | None = None) -> Ended:
        """Run a command to its end."""
        return self.wait(self.start(words, faults))

    def start(self, words: tuple[str, ...], faults: dict[str, str] | None = None, *, fresh: bool = False) -> int:
        """Start a command; its calls are journalled where `faults` are given.

        A process that is a copy of this one has all modules; a `fresh` one is `python -c PROGRAM` with the library preloaded.
        """
        given = dict(os.environ)
        if faults is not None:
            self.journal.unlink(missing_ok=True)
            given |= {"FAULTS_ROOT": str(self.root), "FAULTS_JOURNAL": str(self.journal), **faults}

        def work() -> None:
            if fresh:
                os.execve(
                    sys.executable, [sys.executable, "-c", PROGRAM, *words], {**given, "LD_PRELOAD": given[LOADED]}
                )
            os.environ.update(given)
            if faults is not None:
                ctypes.CDLL(None).faults_arm()
            sys.argv = ["suture", *words]
            importlib.import_module("suture.cli.main").run()

        return self.child(work)

    def child(self, work: Callable[[], None]) -> int:
        """Run in a child whose output is kept by its number."""
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            for number, name in ((0, os.devnull), (1, f"{os.getpid()}.out"), (2, f"{os.getpid()}.err")):
                os.dup2(os.open(self.work / name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), number)
            os.chdir(self.root)
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def ended(self, child: int) -> Ended | None:
        """Return how a child ended, if it did."""
        found, status = os.waitpid(child, os.WNOHANG)
        if not found:
            return None
        files = [self.work / f"{child}.{end}" for end in ("out", "err")]
        out, err = (file.read_text(errors="replace").replace(str(self.work), "") for file in files)
        for file in files:
            file.unlink()
        return Ended(os.waitstatus_to_exitcode(status), out, err)

    def wait(self, child: int) -> Ended:
        """Wait for a child; one that hangs is killed, which its code then says."""
        until = time.monotonic() + HANGS
        while (found := self.ended(child)) is None:
            if time.monotonic() > until:
                os.kill(child, signal.SIGABRT)
            time.sleep(0.0005)
        return found


def mask(*kinds: str) -> str:
    """Return kinds of calls as the library takes them."""
    return str(sum(1 << KINDS.index(kind) for kind in kinds))


def warm() -> None:
    """Import once what the commands import, so that copies of this process have it."""
    import typer.main

    torch.set_num_threads(1)
    for name in ("verbs", "fsck", "verify", "difference", "change.quick", "write.inplace", "write.output"):
        importlib.import_module(f"suture.checkpoint.{name}")
    for name in ("cli.main", "patch.overlap", "patch.patch"):
        importlib.import_module(f"suture.{name}")
    typer.main.get_command = functools.cache(
        typer.main.get_command
    )  # the tree of commands takes longer than most of them
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        sys.argv, given = ["suture", "methods"], sys.argv
        importlib.import_module("suture.cli.main").run()
    sys.argv = given


@functools.cache
def warm_model() -> None:
    """Import what loads a model, and load the bundled one, once."""
    for name in ("export.checkpoint", "export.card", "export.sums"):
        importlib.import_module(f"suture.{name}")
    importlib.import_module("suture.model.lm").LM.load("patient")
