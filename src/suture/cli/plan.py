"""suture plan: what a command will read, write and hold, before it starts.

suture plan MODEL                      reading labelled texts with a model: probe, locate, edit
suture plan detox MODEL                reaching a goal: what is read, written and held
suture plan VERB ...                   the verbs on checkpoints, their arguments as they will be typed
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .. import registry
from ._options import Device, Dtype, Json, Model
from ._stacks import Checkpoint, InPlace, Link, OutFolder, Quick
from .presets import FEWER, check_way, chosen_methods, preset

if TYPE_CHECKING:
    from ..checkpoint.forecast import Forecast
    from ..goals.plan import Plan

MODEL = "model"
Files = Annotated[list[Path], typer.Argument(help="Patch files.")]
PatchOut = Annotated[Path, typer.Option("--out", "-o", help="The patch file.")]


class Planned(TyperGroup):
    """Takes what is no verb for a model, so that `suture plan MODEL` needs no verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Put "model" before words that begin with no verb."""
        if args and args[0] not in self.commands and args[0] != "--help":
            near = difflib.get_close_matches(args[0], self.commands, 1, 0.7)
            if near and not Path(args[0]).exists():
                ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
            args = [MODEL, *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401
        """Return the command of a verb, or that of a model."""
        return self.commands.get(cmd_name, self.commands[MODEL])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Return name, command and the words left to it."""
        verb = args[0] in self.commands
        return (args[0], self.commands[args[0]], args[1:]) if verb else (MODEL, self.commands[MODEL], args)


app = typer.Typer(cls=Planned, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Say what a command will read, write and hold, before it starts: `suture plan MODEL`, or `suture plan VERB ...`."""


@app.command(MODEL)
def model_(
    model: Model,
    examples: Annotated[int, typer.Option(min=1, help="Labelled texts.")] = 600,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of each.")] = 64,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Reading texts with a model: memory, time and coverage, from its config alone. The word "model" may be left out."""
    from dataclasses import asdict

    from ._console import Console

    console = Console(json)
    plan = _of_model(model, examples, tokens, device, dtype)
    rows = [[part, f"{n:,}", f"{n / plan.parameters:.1%}"] for part, n in plan.coverage.items()]
    rows.append(["all", f"{plan.parameters:,}", "100.0%"])
    console.table(["part", "parameters", "share"], rows, f"{model}: {plan.layout} layout")
    console.say()
    figures = [
        ["read from disk", _size(plan.read)],
        ["held for the weights", _size(plan.weights)],
        ["held while texts are read", _size(plan.work)],
        [f"features of {examples} texts, every block", _size(plan.result)],
        ["held by the program itself", _size(plan.process)],
        ["peak", _size(plan.peak)],
        ["rows to choose among", f"{plan.candidates:,}"],
        [f"reading {examples} texts of {tokens} tokens", f"{plan.operations / 1e12:,.2f} TFLOP"],
        ["  at the rate measured here", f"{plan.seconds:,.1f} s at least" if plan.seconds else "-"],
    ]
    console.table(["", ""], figures)
    console.result({**asdict(plan), "parameters": plan.parameters, "peak": plan.peak})


def _goal(name: str) -> Callable[..., None]:
    """Return the command that forecasts a goal: it takes what the goal's own command takes."""
    default, typed = registry.get("goal", name)(), inspect.signature(preset(name), eval_str=True)

    def command(**given: Any) -> None:  # noqa: ANN401 - as the goal's command has them
        from dataclasses import asdict

        from ..goals.forecast import forecast_goal
        from ..model.lm import BUNDLED
        from ._console import Console

        console, model = Console(given["json"]), given["model"]
        check_way(name, given["toward"])
        sizes = {key: min(given[key], few) if given["fast"] else given[key] for key, few in FEWER.items()}
        usual = default.world.methods if default.world and model in BUNDLED else default.methods
        methods = chosen_methods(given["methods"]) if given["methods"] else usual
        plan = _of_model(model, 600, 64, given["device"], given["dtype"])
        chat, requests = _has_chat(model), default.target.requests
        forecast = forecast_goal(plan, **sizes, chat=chat, requests=requests, methods=methods)
        figures = [
            ["tokens read, about", f"{forecast.read:,}"],
            ["tokens written, about", f"{forecast.written:,}"],
            ["both", f"{forecast.operations / 1e12:,.2f} TFLOP"],
            ["  at the rate measured here", f"{forecast.seconds:,.0f} s at least" if forecast.seconds else "-"],
            ["peak of memory", _size(forecast.peak)],
        ]
        console.table(["", ""], figures, f"{name} {model}")
        console.result(asdict(forecast))

    command.__signature__ = typed.replace(return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {name: parameter.annotation for name, parameter in typed.parameters.items()}
    command.__doc__ = (
        f"Reaching the goal {name}: what is read, written and held. Takes what suture {name} takes; nothing is loaded."
    )
    return command


def _has_chat(model: str) -> bool:
    """Return whether a model's folder, as far as it is here, has a chat template."""
    from ..model.load.named import model_folder

    folder = model_folder(model)
    if (folder / "chat_template.jinja").is_file():
        return True
    config = folder / "tokenizer_config.json"
    return config.is_file() and '"chat_template"' in config.read_text(encoding="utf-8", errors="replace")


for goal_name in registry.names("goal"):
    app.command(goal_name)(_goal(goal_name))


@app.command("apply")
def apply(
    checkpoint: Checkpoint,
    patches: Files,
    out: OutFolder = None,
    in_place: InPlace = False,
    link: Link = False,
    quick: Quick = False,
    json: Json = False,
) -> None:
    """Putting patches on a checkpoint; `suture apply --dry-run` also reads the weights and checks that they fit."""
    from ..checkpoint import forecast
    from ._adapters import patch_files
    from ._stacks import folder

    target = folder(checkpoint, in_place=in_place)
    with patch_files(patches, target) as files:
        _tell(forecast.apply(target, files, out, in_place=in_place, link=link, quick=quick), json)


@app.command("revert")
def revert(
    checkpoint: Checkpoint,
    patches: Annotated[list[str] | None, typer.Argument(help="Which: number, SHA-256, name or file.")] = None,
    out: OutFolder = None,
    in_place: InPlace = False,
    link: Link = False,
    quick: Quick = False,
    json: Json = False,
) -> None:
    """Taking patches off a checkpoint."""
    from ..checkpoint import forecast
    from ._stacks import folder

    target = folder(checkpoint, in_place=in_place)
    _tell(forecast.revert(target, patches or (), out, in_place=in_place, link=link, quick=quick), json)


@app.command("verify")
def verify(
    checkpoint: Checkpoint, base: Annotated[Path | None, typer.Option(help="Compare with this one.")] = None, json: Json = False
) -> None:  # fmt: skip
    """Checking a patched checkpoint."""
    from ..checkpoint import forecast
    from ._stacks import folder

    _tell(forecast.verify(folder(checkpoint), None if base is None else folder(base)), json)


@app.command("diff")
def diff(
    a: Checkpoint, b: Annotated[Path, typer.Argument(help="The changed one.")], out: PatchOut,
    cast: Annotated[bool, typer.Option("--cast", help="B is rounded to the types of A.")] = False, json: Json = False,
) -> None:  # fmt: skip
    """Making the patch between two checkpoints: at most, if every number differs."""
    from ..checkpoint import forecast
    from ._stacks import folder

    _tell(forecast.diff(folder(a), folder(b), out, cast=cast), json)


@app.command("combine")
def combine(patches: Files, out: PatchOut, json: Json = False) -> None:
    """Adding patches up to one."""
    from ..checkpoint import forecast

    _tell(forecast.combine(patches, out), json)


@app.command("bake")
def bake(
    model: Model, patch: Annotated[Path, typer.Option("--patch", help="A patch that steers.")], out: PatchOut,
    device: Device = "auto", dtype: Dtype = "auto", json: Json = False,
) -> None:  # fmt: skip
    """Writing a steering patch into biases: the model is loaded once."""
    from ..checkpoint.format.header import regular
    from ..io.adapters import weights_file

    size = regular(weights_file(patch)).st_size
    _tell(_loading(_of_model(model, 1, 64, device, dtype), size, out, copies=1, whole=False), json)


@app.command("export")
def export(
    source: Annotated[Path, typer.Argument(help="A patch.")],
    to: Annotated[str, typer.Option("--to", help="As of suture export.")],
    out: PatchOut,
    model: Annotated[str | None, typer.Option(help="The model; by default the one that the patch names.")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Exporting a patch: the model is loaded to check the result, for --to checkpoint once more from what was written."""
    from ..checkpoint.format.header import regular
    from ..io.adapters import weights_file
    from ..patch.patch import Patch

    name = model or str(Patch.load(source, base=model).provenance.base.get("name", ""))
    whole = to == "checkpoint"
    plan = _of_model(name, 1, 64, device, dtype)
    _tell(_loading(plan, regular(weights_file(source)).st_size, out, copies=1 + whole, whole=whole), json)


def _of_model(model: str, examples: int, tokens: int, device: str, dtype: str) -> Plan:
    import torch

    from ..goals.plan import plan

    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return plan(model, examples=examples, tokens=tokens, dtype=dtype, device=place)


def _loading(plan: Plan, patch: int, out: Path, *, copies: int, whole: bool) -> Forecast:
    """Forecast a verb that loads a model: `copies` of its weights are held, and written if `whole`."""
    from ..checkpoint.forecast import Forecast, free

    disk = plan.read if whole else 3 * patch
    memory = copies * plan.weights + plan.work + 3 * patch
    notes = ["about: adapters and cards take a few times the patch"] if not whole else []
    return Forecast(plan.read + patch, disk, disk, free(out), memory, 4, 0, notes)


def _tell(forecast: Forecast, json: bool) -> None:
    from dataclasses import asdict

    from ..runs.process import resident
    from ._console import Console

    console = Console(json)
    process = resident()
    figures = [
        ["read from disk", _size(forecast.read)],
        ["written to disk", _size(forecast.written)],
        ["disk it takes in the end", f"{_size(forecast.room)} of {_size(forecast.free)} that are free"],
        ["waits for the disk", str(forecast.flushes)],
        *([["tensors that change", f"{forecast.tensors:,}"]] if forecast.tensors else []),
        ["held by the program itself", _size(process)],
        ["held for the work", _size(forecast.held)],
        ["peak of memory", _size(process + forecast.held)],
    ]
    console.table(["", ""], figures)
    for note in forecast.notes:
        console.say(f"note: {note}")
    console.result({**asdict(forecast), "process": process, "peak": process + forecast.held})
    forecast.demand_room()


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
