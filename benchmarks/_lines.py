"""Runs lines of a shell in a folder one after the other, as somebody would who types them into one terminal."""

import os
import resource
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from _documented import SAID

TOLD = 1500  # characters of what a line said that are kept
ADDRESS = "http://127.0.0.1:8000/v1/models"  # where `suture serve` answers unless it is told another port
STAMPS = (".installed", ".dev", ".docs", ".export", ".serve")  # by which make knows what is installed


@dataclass(frozen=True)
class Ended:
    """How a line ended, what it wrote into both streams, and the seconds of processor time that it took."""

    code: int
    out: str
    err: str
    processor: float = 0.0

    @property
    def end(self) -> str:
        """The last of what it wrote."""
        return (self.out + self.err)[-TOLD:]


class Terminal:
    """A folder in which lines run. What one exports (`. .venv/bin/activate`) is there for the next."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.exported = folder / ".exported"
        self.exported.unlink(missing_ok=True)  # of an earlier terminal
        self.server: subprocess.Popen | None = None

    def run(self, text: str) -> Ended:
        """Run a line to its end; `suture serve` until it answers, and on until `stop`."""
        start = processor()
        ended = self._serve(text) if text.startswith("suture serve") else self._run(text)
        return replace(ended, processor=processor() - start)

    def _run(self, text: str) -> Ended:
        line = f"{self._before}{text}\ncode=$?\ndeclare -px > {shlex.quote(str(self.exported))}\nexit $code"
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, input=SAID, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
        failed = text.startswith("curl") and '"error"' in done.stdout  # curl itself ends well
        return Ended(1 if failed else done.returncode, done.stdout, done.stderr)

    @property
    def _before(self) -> str:
        return f". {shlex.quote(str(self.exported))}\n" if self.exported.exists() else ""

    def _serve(self, text: str) -> Ended:
        self.stop()
        log = self.folder / "served.txt"
        with log.open("w") as file:
            self.server = subprocess.Popen(
                ["bash", "-c", f"{self._before}exec {text}"], cwd=self.folder, env=self.environment, stdout=file, stderr=file
            )  # fmt: skip
        while self.server.poll() is None:
            try:
                urllib.request.urlopen(ADDRESS, timeout=10).close()
                return Ended(0, log.read_text(), "")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        return Ended(self.server.returncode or 1, log.read_text(), "")

    def stop(self) -> None:
        """End the server, if one runs."""
        if self.server and self.server.poll() is None:
            self.server.terminate()
            self.server.wait(60)
        self.server = None


def processor() -> float:
    """Return the seconds of processor time of what ran so far and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def environment(source: Path, *, activated: bool = True) -> dict[str, str]:
    """Return the variables of a terminal in which the package is that of `source`.

    `activated`: `suture` and `python` are those of the environment this runs in; otherwise they are not on the path.
    """
    installed = str(Path(sys.executable).parent)
    path = [part for part in os.environ["PATH"].split(os.pathsep) if part != installed]
    variables = {
        "PATH": os.pathsep.join([installed, *path] if activated else path),
        "PYTHONPATH": str(source / "src"),
        "COLUMNS": "140",
    }
    return {
        key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "VIRTUAL_ENV"
    } | variables


def install(folder: Path) -> None:
    """Give a clone the environment this runs in as its `.venv`, so that make finds all installed and installs nothing."""
    place = folder / ".venv"
    place.mkdir(exist_ok=True)
    for part in Path(sys.prefix).iterdir():
        if not part.name.startswith(".") and not (place / part.name).exists():
            (place / part.name).symlink_to(part)
    for stamp in STAMPS:
        (place / stamp).touch()
