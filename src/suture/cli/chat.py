"""suture chat: talk to a model as it is and as patches make it, side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import Device, Dtype, Json, Model
from ._wording import in_options

if TYPE_CHECKING:
    from ..chat.talk import Reply, Talk
    from ._console import Console

WIDE = 100  # columns from which the answers stand side by side
STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0)  # what /doses shows
HELP = """/strength X     strength of the patch; 0 is the base
/doses A B C    the last prompt at these strengths, with bars; by default from -1 to 2
/temperature T  0 is greedy
/seed N         other random numbers
/system TEXT    what the system says first; none without TEXT
/raw            with or without the chat template
/reset          forget what was said
/save FILE      write the talk, one line of JSON a turn
/quit           leave"""


def chat(
    model: Model,
    patch: Annotated[list[Path] | None, typer.Option(help="Patches, applied together.")] = None,
    memory: Annotated[Path | None, typer.Option(help="Facts the patched side is reminded of: suture memory.")] = None,
    strength: Annotated[float, typer.Option(help="Of the patches.")] = 1.0,
    prompt: Annotated[list[str] | None, typer.Option(help="Say this and leave; may be given several times.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="/doses counts what it finds unwanted: refusal, toxicity, sentiment ...")
    ] = None,
    system: Annotated[str, typer.Option(help="What the system says first.")] = "",
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.7,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 200,
    raw: Annotated[bool, typer.Option(help="Continue plain text, without the chat template.")] = False,
    thinking: Annotated[bool, typer.Option("--thinking/--no-thinking", help="Let models think that can.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    json: Json = False,
) -> None:
    """Talk to the base and the patched model at once. Lines that begin with / are commands: /help."""
    from ..chat.talk import Manner, Talk
    from ..errors import SutureError
    from ..memory.store import Memory
    from ..model.lm import LM
    from ._console import Console
    from ._inputs import load_patch

    console = Console(json)
    change = load_patch(patch, model)
    lm = LM.load(model, device=device, dtype=dtype)
    manner = Manner(strength, temperature, seed, tokens, system, raw, thinking)
    talk = Talk(lm, change, manner, memory=Memory.load(memory) if memory else None)
    person = not prompt and sys.stdin is not None and sys.stdin.isatty()
    if person:
        console.say(f"{lm.name}{f' and {len(patch or ())} patches' if change else ''}; /help lists the commands")
    for line in prompt or _lines(person):
        try:
            if not person:
                console.say(f"> {line}", "bold")
            if not _turn(console, talk, line, judge):
                break
        except SutureError as problem:
            if not person:
                raise
            console.say(in_options(f"error: {problem.what}. {problem.fix}"), "red")
    console.result({"model": lm.name, "turns": talk.transcript})


def _lines(person: bool) -> Iterator[str]:
    """Yield what is typed or piped in."""
    from ..errors import DataError

    if person:
        import readline  # noqa: F401 - gives input() its line editing
    elif sys.stdin is None:
        return
    while True:
        try:
            line = input("> " if person else "").strip()
        except EOFError:
            return
        except UnicodeDecodeError as problem:
            raise DataError(
                "what was piped in is not UTF-8 text", why=str(problem), fix="Convert it: iconv -t utf-8"
            ) from problem
        if line:
            yield line


def _turn(console: Console, talk: Talk, line: str, judge: str | None) -> bool:
    """Answer one line or do what it commands; returns whether to go on."""
    if line.startswith("/"):
        return _command(console, talk, line, judge)
    _print(console, talk.respond(line), talk.manner.strength)
    return True


def _print(console: Console, reply: Reply, strength: float) -> None:
    if reply.patched is None:
        console.say(reply.base)
    elif console.out.width >= WIDE:
        console.columns({"base": reply.base, f"patched x {strength:g}": reply.patched})
    else:
        console.say(f"base     {reply.base}")
        console.say(f"patched  {reply.patched}")
    console.say()


def _command(console: Console, talk: Talk, line: str, judge: str | None) -> bool:
    from ..errors import UsageError

    word, _, rest = line[1:].partition(" ")
    rest, manner = rest.strip(), talk.manner
    commands: dict[str, Callable[[], object]] = {
        "strength": lambda: setattr(manner, "strength", _number(word, rest)),
        "temperature": lambda: setattr(manner, "temperature", _number(word, rest, least=0)),
        "seed": lambda: setattr(manner, "seed", int(_number(word, rest))),
        "system": lambda: setattr(manner, "system", rest),
        "raw": lambda: setattr(manner, "raw", not manner.raw),
        "reset": talk.reset,
        "doses": lambda: _doses(console, talk, rest, judge),
        "save": lambda: talk.save(rest),
        "help": lambda: console.say(HELP),
    }
    if word in ("quit", "exit"):
        return False
    if word not in commands:
        raise UsageError(f"no command /{word}", why=f"Known: /{', /'.join(commands)}, /quit.", fix="See /help.")
    commands[word]()
    if hasattr(manner, word):
        console.say(f"{word} = {getattr(manner, word)}")
    return True


def _doses(console: Console, talk: Talk, words: str, judge: str | None) -> None:
    """Print what the last prompt gets at several strengths, and how much that is as bars."""
    from ..chat.strength_sweep import bar
    from ..judges import judge_named, unwanted

    strengths = [_number("doses", word) for word in words.split()] or list(STRENGTHS)
    chosen = judge_named(judge) if judge else None
    answers = talk.doses(strengths, chosen)
    most = 1.0 if chosen else max(dosed.value for dosed in answers)
    heading = f"{unwanted(chosen)} answers" if chosen else "moved, nats"
    figures = [f"{d.value:.0%}" if chosen else f"{d.value:.2f}" for d in answers]
    rows = [[f"{d.strength:g}", text, bar(d.value, most), d.answer] for d, text in zip(answers, figures, strict=True)]
    console.table(["strength", heading, "", "answer"], rows)
    console.say()


def _number(name: str, text: str, least: float = float("-inf")) -> float:
    from math import isfinite

    from ..errors import UsageError

    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or value < least:
        raise UsageError(f"/{name} needs a number, not {text!r}", fix=f"For example: /{name} 1")
    return value
