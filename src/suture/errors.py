"""The errors a user can meet. Each says what happened, why (and where), and what to do next.

`exit_code` is what the command line returns: 2 usage or data, 3 no effect found, 4 verification failed, 5 wrong or
tampered base or patch, 6 resources, 130 interrupted. Anything that is not a `SutureError` is a bug (1).

Most are also the standard exception that they resemble, so that `except ValueError` and the like find them. Not so:

- `ResourceError` is a RuntimeError and no OSError: the code that writes decides by `errno`, and here all is said already.
- `Interrupted` is no KeyboardInterrupt: it would be caught by whoever catches Exception and by whoever catches that one.
- `NoEffect` and `VerificationFailed` are findings, right answers to a question; they resemble nothing.

Where `except ValueError` means a parser's own, `except SutureError: raise` stands first.
"""

from __future__ import annotations


class SutureError(Exception):
    """Base of all errors meant for users.

    Args:
        what: one line, what went wrong.
        why: one line, the cause or the place (file, line, column, tensor).
        fix: one line, the next step to take. A setting stands in backticks, as in Python; see `cli._wording`.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        super().__init__("\n".join(line for line in (what, why, fix) if line))

    def add(self, why: str) -> None:
        """Say more of the cause: what else happened before it."""
        self.why = f"{self.why} {why}".strip()
        self.args = ("\n".join(line for line in (self.what, self.why, self.fix) if line),)


class UsageError(SutureError, ValueError):
    """A wrong argument or an impossible combination of settings."""

    exit_code = 2


class DataError(UsageError):
    """An input file that can not be read as what it should be."""


class MissingFile(DataError, FileNotFoundError):
    """A file or folder that is not there. `errno` and `filename` stay None: what it says is for people."""


class UnsupportedModel(UsageError):
    """A model whose parts suture can not name, or a part it does not have."""


class NoEffect(SutureError):
    """An edit that would change no byte, or a behaviour that is not there."""

    exit_code = 3


class VerificationFailed(SutureError):
    """A promise of a patch or a report that did not hold when checked."""

    exit_code = 4


class PatchMismatch(SutureError, ValueError):
    """A patch meant for other weights than these."""

    exit_code = 5


class CorruptFile(SutureError, ValueError):
    """A patch, probe or region file that is damaged or not what it claims to be."""

    exit_code = 5


class ResourceError(SutureError, RuntimeError):
    """Not enough memory or disk."""

    exit_code = 6


class Interrupted(SutureError):
    """The user or the system stopped a run; `fix` says how to go on."""

    exit_code = 130
