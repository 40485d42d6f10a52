"""suture serve: a local server that speaks OpenAI's protocol; each request names its patches, their strengths, and memories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ._options import Device, Dtype, Json, Model


def serve(
    model: Model,
    patch: Annotated[
        list[str] | None, typer.Option(help="FILE, or NAME=FILE; requests name it by NAME, or by the file's name.")
    ] = None,
    memory: Annotated[
        list[str] | None, typer.Option(help="FILE, or NAME=FILE: facts that requests may ask for; see suture memory.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; other than loopback needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that requests must carry; or set SUTURE_TOKEN.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What requests call the model; by default its own name.")] = None,
    cors: Annotated[
        list[str] | None, typer.Option(help="Web page that may ask, as http://localhost:3000; * for all, with a token.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Texts written side by side.")] = 32,
    queue: Annotated[int, typer.Option(min=1, help="Texts that may wait; more are told to come again.")] = 512,
    grace: Annotated[float, typer.Option(min=0, help="Seconds to finish answers when it is stopped.")] = 30.0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Serve a model and patches to OpenAI clients: {"patches": {"NAME": 0.5}} in a request says how strongly."""
    from ..errors import UsageError
    from ..model.lm import LM
    from ._console import Console
    from ._inputs import named_memories, named_patches

    try:
        from ..serve.app import Desk
        from ..serve.doors import origins
        from ..serve.engine import Engine
        from ..serve.run import check_door
        from ..serve.run import serve as answer
    except ImportError as problem:
        raise UsageError(
            "serving needs two more packages",
            why=f"{problem.name} is not installed.",
            fix="pip install 'suture[serve]'",
        ) from problem
    console = Console(json)
    token = _token(token_file)
    check_door(host, token)
    origins(cors or (), token)
    patches, memories = named_patches(patch or (), model), named_memories(memory or ())
    lm = LM.load(model, device=device, dtype=dtype)
    label = name or Path(lm.name).name
    aliases = [] if name else [lm.name]
    desk = Desk(Engine(lm, patches, memories, rows=rows, waiting=queue), label, token, aliases, cors or ())

    def ready(address: str) -> None:
        console.say(f"{label} with {', '.join([*patches, *memories]) or 'no patches'} at {address}/v1; Ctrl-C stops it")
        console.result({"address": address, "model": label, "patches": sorted(patches), "memories": sorted(memories)})

    answer(desk, host, port, grace=grace, ready=ready)
    console.say("stopped")


def _token(file: Path | None) -> str:
    from ..errors import UsageError
    from ..io.files import read_text

    if file is None:
        return os.environ.get("SUTURE_TOKEN", "").strip()
    token = read_text(file).strip()
    if not token:
        raise UsageError(f"there is no token in {file}", fix="Write one into it: 16 characters or more.")
    return token
