"""suture edit METHOD: make a patch with any registered method, or with one from a file (./mine.py)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
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
    Take,
    TextColumn,
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


def _body(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    """Return the command's body: where its examples come from is told by the type of the method's second parameter."""
    bodies = {"Fact": _of_facts, "Contrast": _of_instances, "Lesson": _of_lessons}
    return bodies.get(examples_of(function), _of_behaviours)(name, function)


def _of_behaviours(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    def edit(
        settings: dict[str, Any],
        *,
        model: Model,
        data: Data,
        prompt: Prompt = None,
        text_column: TextColumn = None,
        label_column: LabelColumn = None,
        unwanted: Unwanted = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        from ..data.examples import Behaviour
        from ..model.lm import LM
        from ._console import Console

        console = Console(json)
        behaviours = [Behaviour.load(d, text=text_column, label=label_column, unwanted=unwanted) for d in data]
        lm = LM.load(model, device=device, dtype=dtype)
        console.say(f"{name} on {lm.name}: {', '.join(f'{b.name} ({len(b.examples)} texts)' for b in behaviours)}")
        shown = prompt or [_opening(lm, e) for e in behaviours[0].examples if e.label][:SHOWN]
        make(console, lm, name, lambda: function(lm, behaviours, **settings), settings, model, out, shown)

    return edit


def _of_facts(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    def edit(
        settings: dict[str, Any],
        *,
        model: Model,
        facts: Facts,
        take: Take = None,
        prompt: Prompt = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        from ..data.examples import Fact
        from ._console import Console

        call = _Call(name, function, settings, Console(json), model, device, dtype, prompt, out)
        call.on(Fact.load(facts, take=take), str(facts), "facts")

    return edit


def _of_instances(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    def edit(
        settings: dict[str, Any],
        *,
        model: Model,
        instances: Instances,
        take: Take = None,
        prompt: Prompt = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        from ..data.examples import Contrast
        from ._console import Console

        call = _Call(name, function, settings, Console(json), model, device, dtype, prompt, out)
        call.on(Contrast.load(instances, take=take), str(instances), "instances")

    return edit


def _of_lessons(name: str, function: Callable[..., Any]) -> Callable[..., None]:
    def edit(
        settings: dict[str, Any],
        *,
        model: Model,
        tune: Tune,
        prompt: Prompt = None,
        out: Out = None,
        device: Device = "auto",
        dtype: Dtype = "auto",
        json: Json = False,
    ) -> None:
        from ..data.lessons import Lesson
        from ._console import Console

        call = _Call(name, function, settings, Console(json), model, device, dtype, prompt, out)
        call.on(Lesson.load(tune), str(tune), "lessons")

    return edit


@dataclass(frozen=True)
class _Call:
    """A method as it was called, on examples that each have a prompt."""

    name: str
    function: Callable[..., Any]
    settings: dict[str, Any]
    console: Console
    model: str
    device: str
    dtype: str
    prompts: list[str] | None
    out: Path | None

    def on(self, examples: Sequence[Any], source: str, what: str) -> None:
        """Load the model, say what is done, and make the patch."""
        from ..model.lm import LM

        lm = LM.load(self.model, device=self.device, dtype=self.dtype)
        self.console.say(f"{self.name} on {lm.name}: {source} ({len(examples)} {what})")
        shown = self.prompts or [each.prompt for each in examples][:SHOWN]

        def produce() -> Patch:
            made: Patch = self.function(lm, examples, **self.settings)
            return made

        make(self.console, lm, self.name, produce, self.settings, self.model, self.out, shown)


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
    from ..patch.patch import Patch
    from ..runs.run import Run
    from ._said import print_said, said

    with Run.begin(name, sys.argv[1:], settings, out) as run:
        patch = run.stage("patch", produce, Patch.save, Patch.load)
        path = run.path("patch.safetensors")
        effect = patch.verify(lm)
        run.result = f"{effect['entries']:,.0f} weights change, norm {effect['effective']:.3g}"
    tensors = [[tensor, *_about(patch, tensor)] for tensor in patch.terms]
    console.table(["tensor", "kind", "rows", "norm"], tensors)
    change = (
        "activations are steered, no weight changes" if patch.steers else f"{effect['entries']:,.0f} weights change"
    )
    console.say(f"{change}; rounding keeps {effect['effective'] / effect['intended']:.1%}")
    shown = said(lm, patch, [(prompt, fact.target) for prompt in prompts]) if fact else _shown(lm, patch, prompts)
    print_said(console, shown)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    console.say(f"wrote {path} ({path.stat().st_size / 1000:,.1f} kB, sha256 {digest[:16]}..)")
    console.say(f"next: {command_line('eval', model, '--patch', path)}")
    result = {"patch": path, "sha256": digest, "bytes": path.stat().st_size, "effect": effect, "texts": shown}
    if fact is None:
        console.result(result)
        return
    right = [text["right"] for text in shown]
    console.say(f"{fact.target!r} is said {sum(right)} of {len(right)} times (greedily)", "bold")
    console.result({**result, "right": right})
    if not right[0]:
        why = f"It says {shown[0]['after']!r}. The patch is at {path}."
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


def _shown(lm: LM, patch: Patch, prompts: list[str]) -> list[dict[str, Any]]:
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
