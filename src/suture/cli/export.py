"""suture export: turn a patch into what other programs load, and check that it does the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ._options import Device, Dtype, Json, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..export._exported import Exported
    from ..export.check import Check
    from ..locate.direction import Direction
    from ..locate.probe import Probe
    from ..patch.patch import Patch
    from ._console import Console

To = Literal["lora", "gguf-lora", "gguf-control", "checkpoint", "card", "sums"]
WAYS = "lora (PEFT folder), gguf-lora, gguf-control (llama.cpp), checkpoint (transformers), card (README.md), sums."


def export(
    source: Annotated[
        Path, typer.Argument(help="A patch; for gguf-control also a probe or direction of the residual stream.")
    ],
    to: Annotated[To, typer.Option("--to", help=WAYS)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File or folder to write; for sums the folder to sum up.")],
    model: Annotated[
        str | None, typer.Option(help="The model it is for; by default the one that a patch names.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Strength of the patch or direction; length of a probe's directions.")
    ] = 1.0,
    rank: Annotated[int | None, typer.Option(help="Approximate by this rank what has no exact one (LoRA).")] = None,
    toward: Annotated[
        Literal["wanted", "unwanted"], typer.Option(help="Where the directions of a probe point.")
    ] = "wanted",
    report: Annotated[Path | None, typer.Option(help="report.json of an evaluation, for the card.")] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="Check on these prompts.")] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Read it back and compare its effect.")] = True,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Write a patch as an adapter, a control vector, a checkpoint or a model card; checks that it has the same effect."""
    import importlib

    from ..export import sums
    from ..export.card import Card, read_report
    from ..export.check import PROMPTS
    from ..io.files import written as replaced
    from ..io.gguf import check_gguf
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ._console import Console

    console = Console(json)
    measured = None if report is None else read_report(report)
    loaded = _load(source, to, model)
    if isinstance(loaded, Patch):
        loaded = loaded * scale
    if to == "sums":
        sums_export = sums.export(out)
        _tell(console, sums_export, {"summed": sums.check(out)})
        return
    if to == "card":
        assert isinstance(loaded, Patch)
        _tell(console, Card("patch", measured, [typed()], [source]).export(loaded, out), {})
        return
    name = model or (str(loaded.provenance.base.get("name", "")) if isinstance(loaded, Patch) else "")
    lm = LM.load(name, device=device, dtype=dtype) if name else None
    settings: dict[str, Any] = {"rank": rank} if to in ("lora", "gguf-lora") else {}
    if to == "gguf-control":
        settings = {"toward": toward, "strength": scale}
    form = importlib.import_module(f"..export.{to.replace('-', '_')}", __package__)
    prompts = (prompt or PROMPTS) if check else []

    def write(new: Path) -> tuple[Exported, Check | None]:
        output: Exported = form.export(lm, loaded, new, **settings)
        return output, output.check(prompts).demand(str(out)) if prompts and output.check else None

    if to == "lora" or to == "checkpoint":
        assert isinstance(loaded, Patch)
        notes = [f"Exported at strength {scale:g}; a report is of strength 1."] if scale != 1 else []
        output, verdict = _folder(write, loaded, to, out, measured, notes)
    else:
        check_gguf(out)
        with replaced(out) as new:  # a file that fails the check is not left behind
            output, verdict = write(new)
    passed = {} if verdict is None else {"check": {**vars(verdict), "passed": verdict.passed if output.exact else None}}
    _tell(console, output.at(out), passed)


def _folder(
    write: Callable[[Path], tuple[Exported, Check | None]],
    patch: Patch,
    to: Literal["lora", "checkpoint"],
    out: Path,
    measured: dict[str, Any] | None,
    notes: list[str],
) -> tuple[Exported, Check | None]:
    """Write a folder with card and sums, which belong to it: all of it is there, and checked, or nothing."""
    from ..export import sums
    from ..export.card import NAME, Card, check_card
    from ..export.lora import check_adapter
    from ..io.files import built

    check_card(out / NAME)
    if to == "lora":
        check_adapter(out)
    with built(out, over=to == "lora") as new:
        output, verdict = write(new)
        Card(to, measured, [typed()], output.files, output.kept, [*output.notes, *notes]).export(patch, new)
        sums.export(new, over=out)
    return output, verdict


def _load(source: Path, to: To, model: str | None) -> Patch | Probe | Direction:
    from ..errors import UsageError
    from ..io.adapters import is_adapter
    from ..io.tensorfile import form_of
    from ..locate.direction import Direction
    from ..locate.probe import Probe
    from ..patch.patch import Patch

    others: dict[str, type[Probe | Direction]] = {"suture.probe/1": Probe, "suture.direction/1": Direction}
    kind = None if is_adapter(source) else others.get(form_of(source))
    if kind is None:
        return Patch.load(source, base=model)
    if to != "gguf-control":
        name = kind.__name__.lower()
        raise UsageError(f"a {name} can not become {to}", why="It changes no weight.", fix="Use --to gguf-control.")
    return kind.load(source)


def _tell(console: Console, output: Exported, more: dict[str, Any]) -> None:
    """Say what was written, what is missing in it, and what the check found."""
    if output.kept:
        rows = [[name, f"{share:.2%}"] for name, share in output.kept.items()]
        console.table(["matrix", "kept of the squared change"], rows, "An approximation")
    for note in output.notes:
        console.say(note)
    if verdict := more.get("check"):
        console.say(f"compared with {verdict['against']}: largest difference of a logit {verdict['difference']:.3g}")
        console.say(f"(the patch moves them by up to {verdict['effect']:.3g}; {verdict['tokens']} positions)")
        if verdict["difference"] > verdict["effect"] / 2:
            console.say("more than half of the largest change is missing: raise --rank, or use --to checkpoint")
    console.say(f"wrote {output.path} ({output.size / 1000:,.1f} kB)")
    console.result({"path": output.path, "bytes": output.size, "kept": output.kept, "notes": output.notes, **more})
