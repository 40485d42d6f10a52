"""The one way to open a checkpoint for reading: locked against writers, and only where no change of it is unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...io.system import reported
from ..write.locks import locked
from .folder import Checkpoint, check_finished, check_folder


@contextmanager
def steady(folder: Path, *, unfinished: bool = False) -> Iterator[None]:
    """Keep suture from changing a folder inside the block; any number may read at once.

    Args:
        folder: of a checkpoint.
        unfinished: also where a change was not finished: for those who say so themselves.

    Raises:
        UsageError: when there is no such folder.
        ResourceError: when a run is changing it; when the disk fails or files run out, also in what is read inside.
        CorruptFile: when a run was stopped while it changed it.
    """
    with reported(f"can not read {folder}"):
        check_folder(folder)
        with locked(folder, exclusive=False):
            if not unfinished:
                check_finished(folder)
            yield


@contextmanager
def reading(path: Path, *, unfinished: bool = False) -> Iterator[Checkpoint]:
    """Open a checkpoint and keep it as it is inside the block; arguments as for `steady`.

    Raises:
        UsageError, UnsupportedModel, CorruptFile: as `Checkpoint.open`.
        ResourceError: when a run is changing it.
    """
    with steady(path, unfinished=unfinished):
        yield Checkpoint.open(path, unfinished=unfinished)
