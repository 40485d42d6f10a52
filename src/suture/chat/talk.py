"""A conversation with a model as it is and as a patch makes it, side by side.

Each side answers its own history. Both are rows of one batch, the base at strength 0 and the patched side at the strength
asked for, so that one generation serves both; a patch that can not be attached is applied to the weights in between.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UsageError
from ..io.files import check_place, write_text
from ..judges import Judge, unwanted
from ..memory.store import Memory
from ..model.lm import LM
from ..model.run.context import context
from ..model.run.generation import Doses, generate
from ..patch.patch import Patch
from .strength_sweep import Dosed, answers_at_strengths

Message = dict[str, str]  # "role" and "content", as chat templates read them


class Reply(NamedTuple):
    """What the base and the patched model say; `patched` is None without a patch."""

    base: str
    patched: str | None


@dataclass
class Manner:
    """How the models speak; may be changed between turns.

    Attributes:
        strength: of the patch; 0 is the base, 1 the patch as made.
        temperature: 0 is greedy.
        seed: of the random streams; both sides draw the same numbers while their histories are the same.
        tokens: longest answer.
        system: text of the system's turn, if any.
        raw: no chat template; the history is continued as plain text.
        thinking: let models that can think aloud do so.
    """

    strength: float = 1.0
    temperature: float = 0.7
    seed: int = 0
    tokens: int = 200
    system: str = ""
    raw: bool = False
    thinking: bool = False

    def __post_init__(self) -> None:
        """Raise UsageError when a number is none that can be computed with."""
        for name in ("strength", "temperature"):
            if not isfinite(value := getattr(self, name)):
                raise UsageError(f"{name} is {value}", fix="Give a finite number, for example 1.")


@dataclass(eq=False)
class Talk:
    """A conversation of several turns with both models.

    The patched side may also be reminded of what is in a memory.

    Attributes:
        lm: the base model; the same, bit for bit, after every answer.
        patch: the edit; None talks to the base alone.
        manner: how they speak.
        history: the turns of the base and of the patched side.
        transcript: one entry a turn: prompt, answers and manner.
        memory: facts that the patched side is reminded of when asked.

    Raises:
        PatchMismatch: when patch or memory are for other weights.
    """

    lm: LM
    patch: Patch | None = None
    manner: Manner = field(default_factory=Manner)
    history: tuple[list[Message], ...] = field(init=False)
    transcript: list[dict[str, Any]] = field(default_factory=list, init=False)
    _saved: set[Path] = field(default_factory=set, init=False, repr=False)
    memory: Memory | None = None

    def __post_init__(self) -> None:
        self.reset()
        if self.memory is not None:
            self.memory.check_base(self.lm)
        self._attachable = self.patch is not None and _attachable(self.patch, self.lm)

    def reset(self) -> None:
        """Forget both histories; the transcript stays."""
        self.history = ([], []) if self.patch or self.memory else ([],)

    def respond(self, text: str) -> Reply:
        """Return both answers to a text and remember them. A turn that fails leaves the histories as they were.

        Raises:
            UsageError: when the conversation is longer than the model can read, or its template refuses it.
        """
        turn = {"role": "user", "content": text}
        rows = [self._ids([*self.history[0], turn])]
        if len(self.history) > 1:
            with self.memory.attached(self.lm, force=True) if self.memory else nullcontext():
                rows.append(self._ids([*self.history[1], turn]))
        room = self._room(max(map(len, rows)))
        answers = [answer.strip() for answer in self._generate(rows, room)]
        for side, answer in zip(self.history, answers, strict=True):
            side += [turn, {"role": "assistant", "content": answer}]
        reply = Reply(answers[0], answers[1] if len(answers) > 1 else None)
        self.transcript.append({"prompt": text, **reply._asdict(), **asdict(self.manner)})
        return reply

    def doses(self, strengths: Sequence[float], judge: Judge | None = None) -> list[Dosed]:
        """Return what the last prompt gets at several strengths, after the base's history; nothing of it is remembered.

        Args:
            strengths: of the patch.
            judge: counts its unwanted label among several answers; None measures how far the first token moves.

        Raises:
            UsageError: when there is no patch, or nothing was said yet.
        """
        if self.patch is None or not self.history[0]:
            raise UsageError(
                "there is nothing to show at several strengths",
                why="Nothing was said yet." if self.patch else "There is no patch.",
                fix="Say something first." if self.patch else "Start with one: suture chat MODEL --patch FILE",
            )
        row = self._ids(self.history[0][:-1])
        return answers_at_strengths(
            self.lm, self.patch, row, strengths, prompt_text=self.history[0][-2]["content"], judge=judge,
            label=unwanted(judge) if judge else "", tokens=self._room(len(row)), temperature=self.manner.temperature,
            seed=self.manner.seed,
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the transcript, one line of JSON a turn.

        Raises:
            UsageError: when nothing was said yet, or the file can not be written.
        """
        if not str(path) or not self.transcript:
            raise UsageError("nothing to save, or no place for it", fix="Say something first, then: /save FILE")
        lines = [json.dumps(turn, ensure_ascii=False) + "\n" for turn in self.transcript]
        check_place(Path(path), lambda file: file.resolve() in self._saved, "the transcript of this talk")
        write_text(Path(path), "".join(lines))
        self._saved.add(Path(path).resolve())

    def _ids(self, turns: Sequence[Message]) -> list[int]:
        if self.manner.raw:
            return self.lm.encode_prompts(["\n".join(turn["content"] for turn in turns)])[0]
        first = [{"role": "system", "content": self.manner.system}] if self.manner.system else []
        return self.lm.encode_messages([*first, *turns], thinking=self.manner.thinking)

    def _room(self, used: int) -> int:
        """Return how many tokens an answer may have after `used` of them."""
        limit = context(self.lm)
        room = self.manner.tokens if limit is None else min(self.manner.tokens, limit - used)
        if room < 1:
            raise UsageError(
                "the conversation is longer than the model can read",
                why=f"{used} tokens of {limit}.",
                fix="Start again with /reset, or say less.",
            )
        return room

    def _generate(self, rows: list[list[int]], room: int) -> list[str]:
        manner = self.manner

        def answer(some: list[list[int]], doses: Doses | None = None) -> list[str]:
            continuations = generate(
                self.lm, some, max_new_tokens=room, temperature=manner.temperature, seed=manner.seed, doses=doses
            )
            return [text for (text,) in continuations]

        if self.patch is None:
            return answer(rows)
        # The base was checked when the talk began; hashing every touched tensor again would delay each answer.
        if self._attachable:
            with self.patch.attached(self.lm, force=True) as dose:
                return answer(rows, Doses(dose, [0.0, manner.strength]))
        base = answer(rows[:1])
        with (manner.strength * self.patch).applied(self.lm, force=True):
            return base + answer(rows[1:])


def _attachable(patch: Patch, lm: LM) -> bool:
    """Return whether a patch can be added while the model runs; it must be for this model in any case."""
    patch.check_base(lm)
    try:
        with patch.attached(lm, force=True):
            return True
    except UsageError:
        return False
