"""One text that a request asks for, from its asking to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..model.run.generation import draws_of
from .detokenizer import IncrementalDetokenizer


@dataclass(frozen=True)
class GenerationRequest:
    """One text to be written.

    Attributes:
        prompt: ids.
        patches: strengths by name.
        tokens: longest answer.
        temperature: 0 is greedy.
        nucleus: share of the probability that is drawn from.
        seed: of its random numbers.
        sample: number among the samples of the same prompt and seed.
        stops: strings that end it.
        live: tell the text as it is made, not at the end.
    """

    prompt: Sequence[int]
    patches: Mapping[str, float] = field(default_factory=dict)
    tokens: int = 16
    temperature: float = 1.0
    nucleus: float = 1.0
    seed: int = 0
    sample: int = 0
    stops: Sequence[str] = ()
    live: bool = False


@dataclass(frozen=True)
class OutputChunk:
    """What is told of a row: more text, and at its end how many tokens it had and why it ended."""

    text: str
    tokens: int = 0
    finish: str | None = None
    problem: Exception | None = None


class RequestState:
    """A row from its asking to its end. `cancel()` ends it early, and nothing more is told."""

    def __init__(
        self, ask: GenerationRequest, tell: Callable[[OutputChunk], None], speech: IncrementalDetokenizer
    ) -> None:
        self.ask, self.speech = ask, speech
        self.ended = False
        self._tell, self._held = tell, ""

    @cached_property
    def _draws(self) -> list[float]:
        """All of its random numbers; made when it is its turn, not while others wait to be heard."""
        ask = self.ask
        numbers: list[float] = (
            draws_of(ask.prompt, ask.seed, ask.sample, ask.tokens).tolist() if ask.temperature else []
        )
        return numbers

    @property
    def length(self) -> int:
        """Tokens that are read to write the next one."""
        return len(self.ask.prompt) + len(self.speech.ids)

    @property
    def draw(self) -> float:
        """The number that picks the next token."""
        return float(self._draws[len(self.speech.ids)]) if self._draws else 0.0

    def cancel(self) -> None:
        """End the row: nobody waits for it any more."""
        self.ended = True

    def hear(self, token: int, ends: set[int]) -> None:
        """Take the next token, and tell what is to be told."""
        text, finish = "", "stop" if token in ends else None
        if finish is None:
            if self.ask.live or self.ask.stops:
                text = self.speech.hear(token)
            else:
                self.speech.note(token)
            if self.speech.stopped:
                finish = "stop"
            elif len(self.speech.ids) == self.ask.tokens:
                finish = "length"
        self._held += text
        if finish:
            self.tell(OutputChunk(self._held + self.speech.close(), len(self.speech.ids), finish))
        elif self.ask.live and self._held:
            self.tell(OutputChunk(self._held))
            self._held = ""

    def tell(self, piece: OutputChunk) -> None:
        """Tell a piece, unless the row has ended."""
        if not self.ended:
            self.ended = bool(piece.finish or piece.problem)
            self._tell(piece)
