"""Patches as commands take them: files of suture, or adapters of peft, which are read on the model that they are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..patch.patch import Patch


def read_patch(path: Path | str, base: Path | str | None = None) -> Patch:
    """Return a patch from its file, or from the folder of an adapter.

    Args:
        path: of either.
        base: the model that an adapter is for; by default the one that it names.

    Raises:
        UsageError: when an adapter names no base, and none is given.
    """
    from ..checkpoint.format.contents import is_adapter
    from ..patch.patch import Patch

    if not is_adapter(path):
        return Patch.load(path)
    from ..export.adapter import adapter_patch, base_named

    named = base or base_named(path)
    if not named:
        from ..errors import UsageError

        raise UsageError(
            f"the adapter {path} does not name its base",
            why="A patch says which weights it is for.",
            fix="Make a patch of it where its base is given: suture apply BASE ADAPTER -o OUT",
        )
    return adapter_patch(path, _folder(named), str(named))


@contextmanager
def patch_files(paths: Sequence[Path], base: Path) -> Iterator[list[Path]]:
    """Have every patch as a file of suture inside the block: adapters as patches of a checkpoint."""
    from ..checkpoint.format.contents import is_adapter

    with TemporaryDirectory() as made:
        files = []
        for number, path in enumerate(paths):
            if is_adapter(path):
                place = Path(made) / str(number)
                place.mkdir()
                folder = path if path.is_dir() else path.parent
                path = read_patch(path, base).save(place / f"{folder.absolute().name}.safetensors")
            files.append(path)
        yield files


def _folder(model: Path | str) -> Path:
    """Return the folder of a model's files; one of the Hub is loaded for that."""
    from ..model.load.named import model_folder

    folder = model_folder(model)
    if folder.is_dir():
        return folder
    from ..model.lm import LM

    files = LM.load(model, device="cpu").path
    assert files is not None  # what was loaded by its name has files
    return files
