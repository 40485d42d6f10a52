"""What every format returns once it has written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .check import Check


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file or folder.
        files: every file of it.
        kept: share of the squared norm of the change that is in it, by name of the matrix; empty where all of it is.
        notes: what a reader must know, a line each.
        check: reads it back and compares its effect with the source's on some prompts; None where that takes a model and
            there was none.
    """

    path: Path
    files: Sequence[Path]
    kept: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    check: Callable[[Sequence[str]], Check] | None = None

    def at(self, place: Path) -> Exported:
        """Return what is said of a folder that has got another name; with the check done, there is none any more."""
        return replace(self, path=place, files=[place / file.relative_to(self.path) for file in self.files], check=None)

    @property
    def exact(self) -> bool:
        """Whether nothing of the patch was left out."""
        return not self.kept

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)
