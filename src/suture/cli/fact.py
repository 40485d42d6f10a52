"""suture fact MODEL PROMPT TARGET: write one fact, check that the model says it, and show what it says instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import Device, Dtype, Json, Method, Model, Out, Set

if TYPE_CHECKING:
    from collections.abc import Callable


def fact(
    model: Model,
    prompt: Annotated[str, typer.Argument(help='A statement up to its answer: "The capital of Australia is".')],
    target: Annotated[str, typer.Argument(help="What is to follow: Canberra.")],
    was: Annotated[str | None, typer.Option(help="What followed before.")] = None,
    subject: Annotated[str | None, typer.Option(help="What the prompt is about, if it has more than one name.")] = None,
    paraphrase: Annotated[
        list[str] | None, typer.Option(help="The same asked in other words, to be checked, too.")
    ] = None,
    method: Method = "rome",
    setting: Set = None,
    out: Out = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Write one fact as a patch and check it in free, greedy generation; exit code 4 when the model does not say it."""
    from ..data.fact_formats import of_record
    from ..data.subjects import found_subject
    from ..model.lm import LM
    from ..text.spacing import joined
    from ._console import Console
    from ._said import advice
    from .edit import make

    record = {"prompt": prompt, "subject": subject or found_subject(prompt), "target": target, "was": was}
    new_fact = of_record({**record, "paraphrases": paraphrase or []}, "the fact")
    function, settings = method_of(method, setting, model, out)
    console = Console(json)
    lm = LM.load(model, device=device, dtype=dtype)
    console.say(f"{method} on {lm.name}: {joined(new_fact.prompt, new_fact.target)} (about {new_fact.subject})")
    make(
        console, lm, method, lambda: function(lm, [new_fact], **settings), settings, model, out,
        [new_fact.prompt, *new_fact.paraphrases], new_fact, advice(method, function, lm),
    )  # fmt: skip


def method_of(
    name: str, words: list[str] | None, model: str, out: Path | None
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a method for facts and its settings; what the bundled model is not to forget is known.

    Raises:
        UsageError: for a method of another kind, or a setting that is none.
    """
    import inspect

    from .. import registry
    from ..errors import UsageError
    from ._settings import settings_of
    from ._signature import examples_of

    function = registry.get("method", name)
    if examples_of(function) != "Fact":
        raise UsageError(
            f"{name} writes no facts", why=f"It learns from {examples_of(function)}.", fix="Try --method rome."
        )
    settings = settings_of(name, function, words or [])
    parameters = inspect.signature(function).parameters
    if "keep" in parameters and "keep" not in settings and model == "patient":
        from ..organisms.suites import keep

        settings["keep"] = keep()
    if "statistics" in parameters and "statistics" not in settings and out is not None and out.suffix != ".safetensors":
        settings["statistics"] = out / "statistics"
    return function, settings
