"""suture compare: one behaviour changed at several levels - prompt, activations, weights, retrieval - and what each costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ._options import Device, Dtype, Json, Model, Out


def compare(
    model: Model,
    target: Annotated[
        str | None, typer.Option(help='The measure that is to move, by its name; "success" with --facts.')
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="An instruction before every prompt; may be given several times.")
    ] = None,
    patch: Annotated[
        list[str] | None, typer.Option(help="FILE or NAME=FILE: a patch of activations or of weights, each a level.")
    ] = None,
    memory: Annotated[
        list[str] | None, typer.Option(help="FILE or NAME=FILE: a memory of facts, put before prompts that ask.")
    ] = None,
    examples: Annotated[
        str | None, typer.Option(help="Labelled texts, as suture edit --data: the nearest are put before each prompt.")
    ] = None,
    toward: Annotated[
        Literal["wanted", "unwanted"], typer.Option(help="Which of --examples are shown: label 0 is wanted.")
    ] = "wanted",
    shots: Annotated[int, typer.Option(min=1, help="Of --examples before a prompt.")] = 2,
    facts: Annotated[
        Path | None, typer.Option(help="Also ask these facts; without --memory one of them is made and compared.")
    ] = None,
    want: Annotated[
        Literal["higher", "lower"] | None, typer.Option(help="Which way; by default what the suite calls better.")
    ] = None,
    suite: Annotated[str | None, typer.Option(help='"patient" (its report split) or "patient:tune".')] = None,
    texts: Annotated[Path | None, typer.Option(help="Neutral texts, one a line: perplexity and drift.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="Prompts, one a line, to be continued and judged.")] = None,
    judge: Annotated[list[str] | None, typer.Option(help="As for suture eval.")] = None,
    chat: Annotated[bool, typer.Option(help="Write the prompts with the chat template.")] = False,
    size: Annotated[int, typer.Option(help="Prompts a measure.")] = 100,
    budget: Annotated[str, typer.Option(help='What a level may cost: "points=0.02,perplexity=0.05".')] = "",
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Put prompting, steering, edits of weights and retrieval side by side: the same behaviour, the same texts, one table."""
    from ..data.examples import Behaviour, Fact
    from ..errors import UsageError
    from ..goals.interventions import compare as measure
    from ..goals.interventions import patching, prompting, remembering, showing
    from ..measure.budget import Budget
    from ..measure.suite import suite_from
    from ..measure.suites.facts import fact_suite
    from ..memory import Memory
    from ..model.lm import BUNDLED, LM
    from ..runs.run import new_folder
    from ._console import Console
    from ._inputs import named_memories, named_patches

    console = Console(json)
    known_facts = Fact.load(facts) if facts else []
    target = target or ("success" if known_facts else None)
    if target is None:
        raise UsageError("which measure is to move?", fix="Name it: --target positive")
    levels = [prompting(text, f"prompt {i + 1}" if i else "prompt") for i, text in enumerate(prompt or ())]
    levels += [patching(name, loaded) for name, loaded in named_patches(patch or (), model).items()]
    levels += [remembering(loaded, name) for name, loaded in named_memories(memory or ()).items()]
    if examples:
        levels.append(showing(Behaviour.load(examples), toward=toward, shots=shots))
    allowed = Budget.parse(budget)
    measures = fact_suite(known_facts, chat=chat) if known_facts else []
    if not known_facts or suite or texts or prompts or model in BUNDLED:
        measures += suite_from(model, suite, texts, prompts, judge or ["refusal"], chat=chat, size=size)
    lm = LM.load(model, device=device, dtype=dtype)
    if known_facts and not memory:
        levels.append(remembering(Memory.of(lm, known_facts)))
    with console.progress("measuring") as step:
        comparison = measure(lm, levels, measures, target, better=want, budget=allowed, progress=step)
    console.table(*comparison.table(), f"{comparison.about}, {lm.name}")
    paths = comparison.save(out or new_folder("compare"))
    console.say(f"wrote {paths['html']} and {paths['json'].name} beside it")
    entries = {e.name: {"level": e.kind, "gain": e.gain, "cost": e.cost} for e in comparison.entries}
    console.result({"model": lm.name, "target": target, "levels": entries, "report": str(paths["html"])})
