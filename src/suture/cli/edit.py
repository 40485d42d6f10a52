"""suture edit METHOD: make a patch with any registered method, or with one from a file (./mine.py)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..text.printable import command_line
from ._options import (
    Data,
    Device,
    Dtype,
    Facts,
    Instances,
    Json,
    LabelColumn,
    Model,
    Out,
    Prompt,
    Prompts,
    Take,
    TextColumn,
    Threshold,
    Tune,
    Unwanted,
)
from ._signature import examples_of, group

if TYPE_CHECKING:
    from ..data.examples import Fact, Labelled
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ._console import Console

SHOWN, TOKENS = 3, 40  # prompts continued before and after, and tokens of a continuation


@dataclass(frozen=True)
class Source:
    """What a method makes its patch from, as options of the command line.

    Attributes:
        options: type and default of each, by name.
        load: reads what they name; returns examples and what is said of them.
        shown: prompts whose continuations are shown when nobody gives any.
    """

    options: dict[str, tuple[Any, Any]]
    load: Callable[..., tuple[Any, str]]
    shown: Callable[[LM, list[Any]], list[str]]


def _behaviours(
    data: list[str], text_column: str | None, label_column: str | None, unwanted: str | None, threshold: float | None
) -> tuple[list[Any], str]:
    from ..data.examples import Behaviour

    labels: dict[str, Any] = {"text": text_column, "label": label_column, "unwanted": unwanted, "threshold": threshold}
    behaviours = [Behaviour.load(source, **labels) for source in data]
    return behaviours, ", ".join(f"{behaviour.name} ({len(behaviour.examples)} texts)" for behaviour in behaviours)


def _facts(facts: Path, take: int | None) -> tuple[list[Any], str]:
    from ..data.examples import Fact

    examples = Fact.load(facts, take=take)
    return examples, f"{facts} ({len(examples)} facts)"


def _instances(instances: Path, take: int | None) -> tuple[list[Any], str]:
    from ..data.examples import ResponsePair

    examples = ResponsePair.load(instances, take=take)
    return examples, f"{instances} ({len(examples)} instances)"


def _written(prompts: Path) -> tuple[Any, str]:
    from ..data.examples import Texts

    examples = Texts.load(prompts)
    return examples, f"{prompts} ({len(examples)} prompts)"


def _lessons(tune: Path) -> tuple[list[Any], str]:
    from ..data.lessons import Instruction

    examples = list(Instruction.load(tune))
    return examples, f"{tune} ({len(examples)} lessons)"


def _openings(lm: LM, behaviours: list[Any]) -> list[str]:
    return [_opening(lm, example) for example in behaviours[0].examples if example.label]


def _prompts(lm: LM, examples: list[Any]) -> list[str]:
    return [example.prompt for example in examples]


NEEDED = inspect.Parameter.empty
SOURCES = {  # by the type of a method's second parameter
    "Behaviour": Source(
        {
            "data": (Data, NEEDED), "text_column": (TextColumn, None), "label_column": (LabelColumn, None),
            "unwanted": (Unwanted, None), "threshold": (Threshold, None),
        },
        _behaviours, _openings,
    ),
    "Fact": Source({"facts": (Facts, NEEDED), "take": (Take, None)}, _facts, _prompts),
    "ResponsePair": Source({"instances": (Instances, NEEDED), "take": (Take, None)}, _instances, _prompts),
    "Texts": Source({"prompts": (Prompts, NEEDED)}, _written, lambda lm, texts: list(texts)),
    "Instruction": Source({"tune": (Tune, NEEDED)}, _lessons, _prompts),
}  # fmt: skip


def _body(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    """Return the command's body: where its examples come from is told by the type of the method's second parameter."""
    source = SOURCES.get(examples_of(function), SOURCES["Behaviour"])

    def edit(
        settings: dict[str, Any],
        *,
        model: Model,
        prompt: Prompt = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
        **options: Any,  # noqa: ANN401 - the options of the source
    ) -> None:
        from ..model.lm import LM
        from ._console import Console

        console = Console(json)
        examples, description = source.load(**options)
        lm = LM.load(model, device=device, dtype=dtype)
        console.say(f"{name} on {lm.name}: {description}")
        prompts = prompt or source.shown(lm, examples)[:SHOWN]
        make(console, lm, name, lambda: function(lm, examples, **settings), settings, model, out, prompts)

    first, model, *others = [
        p for p in inspect.signature(edit, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    source_parameters = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for option, (kind, default) in source.options.items()
    ]
    edit.__signature__ = inspect.Signature([first, model, *source_parameters, *others])  # type: ignore[attr-defined]
    return edit


def make(
    console: Console,
    lm: LM,
    name: str,
    produce: Callable[[], Patch],
    settings: dict[str, Any],
    model: str,
    out: Path | None,
    prompts: list[str],
    fact: Fact | None = None,
    help_with: str = "",
) -> None:
    """Make the patch as a recorded run, check it, and show what it does: what the model says greedily, before and after.

    With a fact, each prompt is to be answered with its target; `help_with` is the advice when the first is not.

    Raises:
        VerificationFailed: when a fact was to be written and is not said.
    """
    import hashlib

    from ..errors import VerificationFailed
    from ..methods._trained.over_refusal import summary
    from ..patch.patch import Patch
    from ..runs.run import Run
    from ..text.heard import heard_by
    from ..text.phase import begin, counted
    from ._said import print_said, said

    with Run.begin(name, sys.argv[1:], settings, out) as run, console.progress(name) as step:
        making, checking, asking = counted(step, ["make the patch", "check it", "ask before and after"])
        begin(making)
        with heard_by(making):
            patch = run.stage("patch", produce, Patch.save, Patch.load)
        path = run.path("patch.safetensors")
        begin(checking)
        effect = patch.verify(lm)
        begin(asking)
        texts = said(lm, patch, [(prompt, fact.target) for prompt in prompts]) if fact else _texts(lm, patch, prompts)
        run.result = f"{effect['entries']:,.0f} weights change, norm {effect['effective']:.3g}"
    tensors = [[tensor, *_about(patch, tensor)] for tensor in patch.terms]
    console.table(["tensor", "kind", "rows", "norm"], tensors)
    change = (
        "activations are steered, no weight changes" if patch.steers else f"{effect['entries']:,.0f} weights change"
    )
    console.say(f"{change}; rounding keeps {effect['effective'] / effect['intended']:.1%}")
    print_said(console, texts)
    if cost := summary(patch):
        console.say(cost)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    console.say(f"wrote {path} ({path.stat().st_size / 1000:,.1f} kB, sha256 {digest[:16]}..)")
    console.say(f"next: {command_line('eval', model, '--patch', path)}")
    result = {"patch": path, "sha256": digest, "bytes": path.stat().st_size, "effect": effect, "texts": texts}
    if fact is None:
        console.result(result)
        return
    right = [text["right"] for text in texts]
    console.say(f"{fact.target!r} is said {sum(right)} of {len(right)} times (greedily)", "bold")
    console.result({**result, "right": right})
    if not right[0]:
        why = f"It says {texts[0]['after']!r}. The patch is at {path}."
        raise VerificationFailed(f"the model does not say {fact.target!r}", why=why, fix=help_with)


def _about(patch: Patch, tensor: str) -> list[str]:
    shape = patch.before[tensor].shape
    terms = patch.terms[tensor]
    rows = sum(len(term.touched_rows(shape)) for term in terms)
    norm = sum(term.norm(shape) ** 2 for term in terms) ** 0.5
    return [" + ".join(term.kind for term in terms), f"{rows} of {shape[0]}", f"{norm:.3f}"]


def _opening(lm: LM, example: Labelled) -> str:
    """Return the request of a chat example, or the first half of a text."""
    words = example.text.split()
    return example.prompt or " ".join(words[: max(1, len(words) // 2)])


def _texts(lm: LM, patch: Patch, prompts: list[str]) -> list[dict[str, Any]]:
    """Return what is said to prompts before and after, greedily: questions in a chat where the model has one."""
    from ..model.run.generation import generate

    chat = lm.tokenizer.chat_template is not None
    ids = [lm.encode_prompts([p], chat=chat and p.rstrip().endswith("?"))[0] for p in prompts]
    before = generate(lm, ids, max_new_tokens=TOKENS, temperature=0)
    with patch.used(lm):
        after = generate(lm, ids, max_new_tokens=TOKENS, temperature=0)
    texts = zip(prompts, before, after, strict=True)
    return [{"prompt": prompt, "before": old.strip(), "after": new.strip()} for prompt, (old,), (new,) in texts]


app = typer.Typer(cls=group("method", _body), no_args_is_help=True, help="Make a patch with a method.")


@app.callback()
def _root() -> None:
    """Make a patch: METHOD is a name from `suture methods` or a Python file with a function marked @method."""
