"""suture memory: facts kept beside the weights, put before the prompts that ask for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..text.printable import command_line
from ._options import Device, Dtype, Json, Method, Model, Out, Set
from .fact import method_of

if TYPE_CHECKING:
    from ..memory import Memory, Reach
    from ..memory.hybrid import Shelf
    from ._console import Console

app = typer.Typer(no_args_is_help=True, help="Keep facts beside the weights: add, show, forget, consolidate.")
File = Annotated[Path, typer.Argument(help="The memory: a .safetensors file.")]


@app.command()
def add(
    model: Model,
    file: File,
    facts: Annotated[Path, typer.Option(help="Facts to keep, as suture edit --facts takes them.")],
    reach: Annotated[
        float | None, typer.Option(help="How near a prompt must come, in lengths of the fact's state.")
    ] = None,
    choose: Annotated[
        Path | None, typer.Option(help="Other facts, with paraphrases and neighbours, on which the reach is chosen.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Block behind which states are compared (a late one).")] = None,
    scope: Annotated[
        str, typer.Option(help='What decides: "state", "subject" (the prompt names it) or "both".')
    ] = "state",
    template: Annotated[str | None, typer.Option(help="What is read in place of a prompt: {facts} {prompt}")] = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Put facts into a memory; it is made if it is not there."""
    from typing import get_args

    from ..data.examples import Fact
    from ..errors import UsageError
    from ..memory import Memory, chosen_reach
    from ..memory.scope import Scope
    from ..memory.store import REACH, TEMPLATE
    from ..model.lm import LM
    from ._console import Console

    console, new = Console(json), Fact.load(facts)
    others = Fact.load(choose) if choose else None
    memory = Memory.load(file) if file.exists() else None
    scopes = {str(name): name for name in get_args(Scope)}
    if scope not in scopes:
        raise UsageError(f"no scope {scope!r}", fix=f"Use one of {', '.join(scopes)}.")
    if memory is not None and (reach is not None or choose or layer is not None or template):
        raise UsageError(f"{file} has its settings already", fix="Add facts alone, or begin another file.")
    lm = LM.load(model, device=device, dtype=dtype)
    if memory is None:
        near: Reach | float = chosen_reach(lm, others, layer=layer) if others else REACH if reach is None else reach
        memory = Memory.of(lm, layer=layer, reach=near, scope=scopes[scope], template=template or TEMPLATE)
    memory = memory.plus(lm, new)
    memory.save(file)
    tell(console, memory, file)
    console.say(f"next: {command_line('chat', model, '--memory', file)}")


@app.command()
def show(file: File, json: Json = False) -> None:
    """List the facts of a memory."""
    from ..memory import Memory
    from ._console import Console

    tell(Console(json), Memory.load(file), file)


@app.command()
def forget(
    file: File, numbers: Annotated[list[int], typer.Argument(help="Of the facts, as shown.")], json: Json = False
) -> None:
    """Take facts out of a memory."""
    from ..memory import Memory
    from ._console import Console

    memory = Memory.load(file).without(numbers)
    memory.save(file)
    tell(Console(json), memory, file)


@app.command()
def consolidate(
    model: Model,
    file: Annotated[Path, typer.Argument(help="A memory, or a patch of grace.")],
    method: Method = "rome",
    setting: Set = None,
    patch: Annotated[Path | None, typer.Option(help="What was written into the weights before.")] = None,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Write the facts of a memory into the weights; what is said without it leaves it, the rest stays."""
    from ..errors import UsageError, VerificationFailed
    from ..io.tensorfile import form_of
    from ..memory import Memory
    from ..memory import consolidate as moved
    from ..memory.store import FORM
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ..runs.run import Run
    from ._console import Console

    console = Console(json)
    shelf: Shelf = Memory.load(file) if form_of(file) == FORM else Patch.load(file)
    before = Patch.load(patch, base=model) if patch else None
    with Run.begin("consolidate", sys.argv[1:], {"model": model, "method": method}, out) as run:
        if run.folder is None:
            raise UsageError(
                "this writes several files", why="--out names one of them.", fix="Give a folder: --out NAME"
            )
        function, settings = method_of(method, setting, model, run.folder)
        lm = LM.load(model, device=device, dtype=dtype)
        outcome = moved(lm, shelf, lambda facts: function(lm, facts, **settings), patch=before)
        if outcome.patch is not None:
            outcome.patch.save(run.path("patch.safetensors"))
        if outcome.memory is not None:
            outcome.memory.save(run.path("memory.safetensors"))
        run.result = f"{len(outcome.moved)} facts are in the weights, {len(outcome.kept)} stay beside them"
    rows = [[f.prompt, f.target, "weights"] for f in outcome.moved] + [
        [f.prompt, f.target, "memory"] for f in outcome.kept
    ]
    console.table(["prompt", "target", "is in"], rows)
    console.say(f"{run.result}; {sum(outcome.served)} of {len(outcome.served)} are said with both", "bold")
    paths = {name: run.path(f"{name}.safetensors") for name in ("patch", "memory")}
    files = {name: path for name, path in paths.items() if path.exists()}
    for name, path in files.items():
        console.say(f"{name}: {path}")
    console.result({**files, "moved": len(outcome.moved), "kept": len(outcome.kept), "served": sum(outcome.served)})
    if not outcome.moved:
        fix = "The memory serves on. Try another method or block: --method, --set layer=N."
        raise VerificationFailed(
            "no fact could be written into the weights", why="None is said without the memory.", fix=fix
        )


def tell(console: Console, memory: Memory, file: Path) -> None:
    """List a memory."""
    rows = [[str(number), fact.prompt, fact.target] for number, fact in enumerate(memory.facts)]
    console.table(["", "prompt", "target"], rows)
    reach = memory.reach
    measured = f" (of {reach.inside} other phrasings {reach.recall:.1%} were recognised, of {reach.outside} prompts about other "
    measured += f"things {reach.false_alarms:.1%} taken for a fact)"
    console.say(
        f"{len(memory.facts)} facts; decided by {memory.scope} behind block {memory.layer}, reach {reach.reach:.3g}"
        f"{measured if reach.inside else ''}"
    )
    facts = [{"prompt": fact.prompt, "subject": fact.subject, "target": fact.target} for fact in memory.facts]
    console.result(
        {"memory": file, "facts": facts, "reach": reach.plain(), "scope": memory.scope, "layer": memory.layer}
    )
