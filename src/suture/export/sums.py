"""SHA256SUMS: a line for each file of a folder, in the form that `sha256sum -c SHA256SUMS` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import CorruptFile, UsageError, VerificationFailed
from ..io.files import check_place, read_text, sha256, write_bytes
from ._exported import Exported

NAME = "SHA256SUMS"


def export(folder: str | Path, *, over: Path | None = None) -> Exported:
    """Write the sums of every file below a folder, in the order of their names.

    Args:
        folder: the folder.
        over: one into which all of it will be moved (see `files.built`): what stays there is summed, too.

    Raises:
        UsageError: when there is no such folder, or nothing in it.
    """
    folder = Path(folder)
    places = {name: folder / name for name in _names(folder)}
    if over is not None:
        stage = folder.parent.resolve()  # under construction, perhaps inside
        stay = [name for name in _names(over) if not (over / name).resolve().is_relative_to(stage)]
        places = {**{name: over / name for name in stay}, **places}
    lines = [f"{sha256(path)}  {name}\n" for name, path in sorted(places.items())]
    if not lines:
        raise UsageError(f"no files in {folder}", fix="Give the folder of an export: `export.sums(FOLDER)`")
    path = folder / NAME
    check_place((over or folder) / NAME, lambda file: _of(file, places), "of the files of this folder alone")
    write_bytes(path, "".join(lines).encode())
    return Exported(path, [path])


def check(folder: str | Path) -> int:
    """Hash every file again and return their number.

    Raises:
        UsageError: when the folder has no sums.
        CorruptFile: when a line of them can not be read.
        VerificationFailed: when a file differs, is missing or is not listed.
    """
    folder = Path(folder)
    if not (folder / NAME).is_file():
        raise UsageError(f"no {NAME} in {folder}", fix="Write it: `export.sums`")
    lines = read_text(folder / NAME).splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if not all(len(digest) == 64 and name for name, digest in listed.items()):
        raise CorruptFile(f"{folder / NAME} can not be read", fix="Write it again: `export.sums`")
    here = set(_names(folder))
    wrong = [name for name, digest in listed.items() if name not in here or sha256(folder / name) != digest]
    wrong += sorted(here - listed.keys())
    if wrong:
        raise VerificationFailed(
            f"{len(wrong)} of {len(listed)} files are not as {NAME} says",
            why=f"Different, missing or not listed: {', '.join(wrong)}.",
            fix="Fetch them again, or write the sums again if the change was meant.",
        )
    return len(listed)


def _of(file: Path, places: Mapping[str, Path]) -> bool:
    """Return whether a file of sums lists nothing but files that are summed again."""
    listed = {line.partition("  ")[2] for line in file.read_text(encoding="utf-8", errors="replace").splitlines()}
    return listed <= places.keys()


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return sorted(path.relative_to(folder).as_posix() for path in files)
