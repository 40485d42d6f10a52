"""What the system refuses (files, disks, memory, hosts), as errors for users: which is which, and what to do about it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import MissingFile, ResourceError, SutureError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT)
EXHAUSTED = {  # what no other place would mend by itself: exit code 6, and what to do
    **dict.fromkeys(FULL, "Free some disk, or write elsewhere."),
    errno.EFBIG: "Write to a file system that holds larger files, or raise the limit: ulimit -f",
    errno.EIO: "Check the disk, or write elsewhere.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n",
    errno.ENFILE: "End programs that hold many files open, then try again.",
    errno.ENOMEM: "Free some memory, then try again.",
    errno.ESTALE: "Mount the network disk again, then try again.",
}
MISPLACED = (  # what lies in the path that was given
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip
UNREACHED = (  # a host on the network
    errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ETIMEDOUT,
)  # fmt: skip
PLACE, PATH = "Choose a place that can be read and written.", "Check the path."
SAID = re.compile(r"\(os error (\d+)\)")  # how libraries in Rust pass on what the system said


@contextmanager
def reported(what: str, *, fix: str = PLACE, kind: type[SutureError] = UsageError) -> Iterator[None]:
    """Turn what the system refuses into an error for users; see `explained`.

    Raises:
        ResourceError: when the disk is full or fails, or files or memory have run out.
        UsageError: when the place can not be used; or `kind`.
    """
    try:
        yield
    except (SutureError, BrokenPipeError):  # said already; or no file failed: whoever read what is printed has gone
        raise
    except Exception as problem:
        if isinstance(problem, OSError) or SAID.search(str(problem)):
            raise explained(problem, what, fix=fix, kind=kind) from problem
        raise


def explained(
    problem: BaseException, what: str, *, fix: str = PLACE, kind: type[SutureError] = UsageError
) -> SutureError:
    """Return what the system refuses as an error for users; the one place that knows which is which.

    Args:
        problem: an OSError, or what a library made of one.
        what: could not be done.
        fix: what to do where the path is the cause.
        kind: the error then.
    """
    code = _code(problem)
    why = getattr(problem, "strerror", None) or (str(problem).strip() or repr(problem)).splitlines()[0]
    name = getattr(problem, "filename", None)
    if name is not None and str(name) not in what:
        why = f"{why}: {name}"
    if code in EXHAUSTED:
        return ResourceError(f"{what}{': no room' if code in FULL else ''}", why=why, fix=EXHAUSTED[code])
    if code is None or code in MISPLACED or code in UNREACHED or code < 0:  # below 0: names of hosts
        missing = code == errno.ENOENT and issubclass(MissingFile, kind)
        return (MissingFile if missing else kind)(what, why=why, fix=fix)
    return UsageError(what, why=why, fix=PLACE)


def refused(problem: Exception) -> bool:
    """Return whether an error that nobody foresaw is the system's, and not a mistake of ours."""
    if isinstance(problem, OSError) and (problem.filename is not None or problem.errno in EXHAUSTED):
        return True
    return isinstance(problem, MemoryError) or SAID.search(str(problem)) is not None


@contextmanager
def confirmed(path: Path) -> Iterator[None]:
    """Say what is true when the last flush fails: all is written, and after a loss of power it may be gone.

    Raises:
        ResourceError, UsageError: as `reported`.
    """
    try:
        yield
    except OSError as problem:
        error = explained(problem, f"{path} is written whole, but the disk did not confirm its name")
        error.what = error.what.removesuffix(": no room")
        raise error from problem


def _code(problem: BaseException | None) -> int | None:
    """Return the number the system gave, also where a library keeps it in its words, or in what led to its error."""
    while problem is not None:
        if isinstance(problem, OSError) and problem.errno is not None:
            return problem.errno
        if isinstance(problem, MemoryError):
            return errno.ENOMEM
        if match := SAID.search(str(problem)):
            return int(match[1])
        problem = problem.__cause__ or problem.__context__
    return None
