"""Compile the library of faults, and start this program again with it loaded before all others. Imports nothing heavy."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = [Path(__file__).parent / "faults" / name for name in ("journal.c", "calls.c")]
LOADED = "SUTURE_FAULTS"  # where the library lies that was loaded before this process
NO_COMPILER = (
    "error: the storm below Python needs Linux and a C compiler (cc, gcc or clang; another one is named by CC)\n"
)


def preload() -> Path:
    """Compile faults.c and start this program again with it loaded first; returns where the library lies.

    Exits with 2 where there is no C compiler.
    """
    if LOADED in os.environ:
        return Path(os.environ[LOADED])
    library = compiled(Path(tempfile.mkdtemp(prefix="suture-faults-")) / "faults.so")
    os.execve(
        sys.executable, [sys.executable, *sys.argv], {**os.environ, LOADED: str(library), "LD_PRELOAD": str(library)}
    )


def compiled(library: Path) -> Path:
    """Compile faults.c."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))), None)
    if compiler is None or sys.platform != "linux":
        sys.stderr.write(NO_COMPILER)
        sys.exit(2)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, *SOURCES, "-ldl", "-lpthread"], check=True)
    return library
