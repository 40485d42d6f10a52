"""suture.json in a checkpoint: which patches are on it, where their undo data is, what each touched tensor was and is."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import CorruptFile
from ...text.redact import hidden_in
from ..format.folder import INTENT, LEDGER
from ..format.header import read_json

FORMAT = "suture.checkpoint/1"
NAMED = re.compile(r"(patch|undo)-[0-9a-f]{16}\.safetensors")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One patch on a checkpoint.

    Attributes:
        name: what its file was called.
        sha256: of that file; its copy is `suture/patch-<first 16 digits>.safetensors`.
        method: that made it.
        scale: strength.
        floor: 0 for patches made for the base; 1 for those made on the result of floor 0, and so on.
        forced: what differed from what the patch was made for, when it was applied by force.
        copies: tensors that the checkpoint holds as copies of one that the patch names, and that changed with it: the copy
            and that one.
    """

    name: str
    sha256: str
    method: str
    scale: float
    floor: int
    forced: list[str] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep no secret: a ledger goes with the checkpoint, wherever that is published."""
        for part in ("name", "method", "forced"):
            object.__setattr__(self, part, hidden_in(getattr(self, part)))

    @property
    def file(self) -> str:
        """Name of the copy of the patch."""
        return f"patch-{self.sha256[:16]}.safetensors"


@dataclass(frozen=True)
class Mark:
    """What one touched tensor was and is.

    Attributes:
        shape: as patches see it.
        dtype: on disk.
        base: SHA-256 before any patch.
        after: SHA-256 after each floor that touches it, by floor; the last is what is on disk.
        rows: instead of `after`, where a patch was put on quickly: SHA-256 of the rows it touches, as they are on disk. Then
            `base` is what the patch was made for, and nobody has looked whether the rest of the tensor is that.
    """

    shape: tuple[int, ...]
    dtype: str
    base: str
    after: dict[int, str]
    rows: str = ""

    @property
    def current(self) -> str:
        """SHA-256 of what is on disk, or "" where only the touched rows are known."""
        return "" if self.rows else self.after[max(self.after)]

    def below(self, floor: int) -> str:
        """Return the SHA-256 of what a patch on a floor sees."""
        under = [number for number in self.after if number < floor]
        return self.after[max(under)] if under else self.base


@dataclass(frozen=True)
class Ledger:
    """All of suture.json; without patches it is not written at all.

    Attributes:
        patches: in the order in which they were applied.
        undo: SHA-256 of the file with the base bits, or "".
        tensors: what each touched tensor was and is.
    """

    patches: list[Entry] = field(default_factory=list)
    undo: str = ""
    tensors: dict[str, Mark] = field(default_factory=dict)

    @property
    def undo_file(self) -> str:
        """Name of the file with the base bits."""
        return f"undo-{self.undo[:16]}.safetensors"

    @property
    def files(self) -> dict[str, str]:
        """Names of the files this ledger needs, with their SHA-256."""
        files = {entry.file: entry.sha256 for entry in self.patches}
        return {**files, self.undo_file: self.undo} if self.undo else files

    def plain(self) -> dict[str, Any]:
        """Return the content as JSON can hold it."""
        content = asdict(self)
        for mark in content["tensors"].values():
            if not mark["rows"]:
                del mark["rows"]
        for entry in content["patches"]:
            if not entry["copies"]:
                del entry["copies"]
        return {"format": FORMAT, **content}

    def dumps(self) -> bytes:
        """Return the bytes of suture.json; the same ledger gives the same bytes."""
        return json.dumps(self.plain(), indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def load(cls, folder: Path) -> Ledger:
        """Read the ledger of a checkpoint; empty if it has none.

        Raises:
            CorruptFile: when it is not whole.
        """
        return cls.parse(read_json(folder / LEDGER), folder) if (folder / LEDGER).exists() else cls()

    @classmethod
    def parse(cls, content: Any, folder: Path) -> Ledger:  # noqa: ANN401 - untrusted JSON
        """Read a ledger from JSON, believing nothing."""
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}")
            patches = [read_entry(entry) for entry in content["patches"]]
            tensors = {name: _mark(mark) for name, mark in content["tensors"].items()}
            ledger = cls(patches, content["undo"], tensors)
            _check(all(DIGEST.fullmatch(digest) for digest in ledger.files.values()))
            _check(all(NAMED.fullmatch(name) for name in ledger.files))
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise CorruptFile(
                f"{folder / LEDGER} is damaged", why=repr(problem), fix="Take the base checkpoint again."
            ) from problem
        return ledger


def read_entry(content: dict[str, Any]) -> Entry:
    """Read a line of a ledger from JSON, believing nothing.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: when it is none.
    """
    entry = Entry(**content)
    _check(type(entry.scale) is float and math.isfinite(entry.scale))
    _check(type(entry.floor) is int and 0 <= entry.floor < 10**6)
    _check(isinstance(entry.name, str) and isinstance(entry.method, str))
    _check(isinstance(entry.forced, list) and all(isinstance(why, str) for why in entry.forced))
    _check(isinstance(entry.copies, dict) and all(isinstance(name, str) for name in entry.copies.values()))
    _check(DIGEST.fullmatch(entry.sha256))
    return entry


def read_intent(folder: Path) -> tuple[Ledger, Ledger]:
    """Return the ledgers between which an interrupted run was: (old, new)."""
    content = read_json(folder / INTENT)
    return Ledger.parse(content.get("old"), folder), Ledger.parse(content.get("new"), folder)


def intent(old: Ledger, new: Ledger) -> bytes:
    """Return what is written before a checkpoint is changed in place."""
    return json.dumps({"old": old.plain(), "new": new.plain()}, sort_keys=True).encode()


def _mark(content: dict[str, Any]) -> Mark:
    after = {int(floor): digest for floor, digest in content["after"].items()}
    rows = [content["rows"]] if "rows" in content else []
    _check(bool(after) != bool(rows))
    _check(all(DIGEST.fullmatch(digest) for digest in (content["base"], *after.values(), *rows)))
    _check(all(type(n) is int and n >= 0 for n in content["shape"]) and isinstance(content["dtype"], str))
    return Mark(tuple(content["shape"]), content["dtype"], content["base"], after, *rows)


def _check(holds: object) -> None:
    if not holds:
        raise ValueError("an entry does not fit")
