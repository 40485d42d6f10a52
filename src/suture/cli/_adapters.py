"""Patches as commands take them: files of suture, or adapters of peft, which are read on the model that they are for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def patch_files(paths: Sequence[Path], base: Path) -> Iterator[list[Path]]:
    """Have every patch as a file of suture inside the block: adapters as patches of a checkpoint."""
    from ..io.adapters import is_adapter
    from ..patch.patch import Patch

    with TemporaryDirectory() as made:
        files = []
        for number, path in enumerate(paths):
            if is_adapter(path):
                place = Path(made) / str(number)
                place.mkdir()
                folder = path if path.is_dir() else path.parent
                path = Patch.load(path, base=base).save(place / f"{folder.absolute().name}.safetensors")
            files.append(path)
        yield files
