"""Patches in folders and on the Hugging Face Hub: what `Patch.save_pretrained`, `from_pretrained` and `push_to_hub` do.

A folder holds patch.safetensors, a model card (README.md) and SHA256SUMS. huggingface_hub is imported only to fetch or push.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import UsageError
from ..io.adapters import ADAPTER, ADAPTER_WEIGHTS, is_adapter
from ..io.files import built
from ..io.network import unreachable
from ..io.tensorfile import check_form
from ..patch.file import FORMAT

if TYPE_CHECKING:
    from ..patch.patch import Patch

FILE = "patch.safetensors"
T = TypeVar("T")


def save(patch: Patch, folder: str | Path, report: str | Path | None = None) -> Path:
    """Write a patch with its card and sums into a folder; see `Patch.save_pretrained`."""
    from . import sums
    from .card import NAME, Card, check_card, read_report

    folder, measured = Path(folder), None if report is None else read_report(report)
    check_form(folder / FILE, FORMAT)
    check_card(folder / NAME)
    with built(folder, over=True) as new:
        path = patch.save(new / FILE)
        Card(report=measured, files=[path]).export(patch, new)
        sums.export(new, over=folder)
    return folder


def fetch(name: str | Path, revision: str | None = None) -> Path:
    """Return the patch file of a folder or of a repository, fetched into the Hub's cache; the folder where it holds an adapter.

    Raises:
        UsageError: when there is none.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder if is_adapter(folder) and not (folder / FILE).exists() else folder / FILE
    if str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        raise UsageError(f"no folder {name}", fix=f"Give a folder that holds {FILE}, or a Hub name: OWNER/NAME")

    def download() -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        where: dict[str, Any] = {"revision": revision, "local_files_only": unreachable()}
        try:
            return Path(hf_hub_download(str(name), FILE, **where))
        except (EntryNotFoundError, FileNotFoundError) as problem:
            try:
                hf_hub_download(str(name), ADAPTER, **where)
            except (EntryNotFoundError, FileNotFoundError):
                raise problem from None
            return Path(hf_hub_download(str(name), ADAPTER_WEIGHTS, **where)).parent

    return _ask(download, f"can not fetch {name}")


def push(
    patch: Patch, name: str, *, report: str | Path | None = None, private: bool = True, revision: str | None = None
) -> str:
    """Write a patch into a repository; see `Patch.push_to_hub`."""
    with TemporaryDirectory() as place:
        folder = save(patch, Path(place) / "patch", report)

        def upload() -> str:
            from huggingface_hub import HfApi

            hub = HfApi()
            hub.create_repo(name, private=private, exist_ok=True)
            return str(
                hub.upload_folder(repo_id=name, folder_path=folder, revision=revision, commit_message="Add a patch")
            )

        return _ask(upload, f"can not push to {name}")


def _ask(request: Callable[[], T], what: str) -> T:
    """Ask the Hub; what it or the network answers is the user's to know."""
    try:
        return request()
    except Exception as problem:  # whatever the Hub, its client or the network answers
        why = (str(problem).strip() or repr(problem)).splitlines()[0]
        raise UsageError(what, why=why, fix="Check the name, the network and your login: hf auth login") from problem
