"""Files from the Python package index, fetched by the user's own pip, so with its indexes, proxies, certificates and log-ins.

A wheel is only fetched: nothing is installed, no dependency is looked at, and no code in it runs (`--only-binary=:all:`).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ..errors import UsageError
from ..text.phase import Progress

POLL = 0.2  # seconds between two looks at how much is there
MEGABYTE = 1_000_000
PHASE = "fetch"


def fetch_wheel(package: str, version: str, into: Path, size: int, progress: Progress | None = None) -> Path:
    """Fetch a wheel that runs on any machine; returns its path.

    Args:
        package: its name on the index.
        version: of it.
        into: an empty folder, where it is put and where pip may keep what it has so far.
        size: bytes of the wheel, to tell how far it is.
        progress: called with (what, done, of), in megabytes.

    Raises:
        UsageError: when there is no pip, or pip can not fetch it.
    """
    wanted = f"{package}=={version}"
    elsewhere = f"pip download --no-deps {wanted}    there, and here `file=FILE.whl`"
    if importlib.util.find_spec("pip") is None:
        raise UsageError(
            f"can not fetch {wanted}",
            why=f"{sys.executable} has no pip.",
            fix=f"Add it: {sys.executable} -m ensurepip    or fetch the wheel with another Python: {elsewhere}",
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
               "--disable-pip-version-check", "--progress-bar=off", "--dest", str(into), wanted]  # fmt: skip
    messages = into / "pip.txt"
    with messages.open("wb") as output:
        # pip puts what it has so far into the folder for temporary files
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(into), "PYTHONPATH": ""},
        )
        try:
            _watch(child, into, size, progress)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
    wheels = sorted(into.glob("*.whl"))
    if child.returncode or not wheels:
        lines = messages.read_text(encoding="utf-8", errors="replace").split("\n")
        errors = [line.partition("ERROR: ")[2] for line in lines if line.startswith("ERROR: ")]
        raise UsageError(
            f"can not fetch {wanted}",
            why=f"pip: {errors[0] if errors else next((line for line in reversed(lines) if line.strip()), 'it failed')}",
            fix=f"Check the network and the index (pip config list). Where another machine has a network: {elsewhere}",
        )
    return wheels[0]


def _watch(child: subprocess.Popen[bytes], into: Path, size: int, progress: Progress | None) -> None:
    """Tell how far a download is until it ends."""
    total = -(-size // MEGABYTE)
    while True:
        try:
            child.wait(timeout=POLL)
            return
        except subprocess.TimeoutExpired:
            if progress is not None:
                progress(f"{PHASE}: megabytes", min(_largest(into) // MEGABYTE, total), total)


def _largest(folder: Path) -> int:
    """Return the bytes of the largest file below a folder, from which files may vanish meanwhile."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return max(sizes)
