"""One text that a request asks for, from its asking to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..model.run.generation import draws_of
from .detokenizer import IncrementalDetokenizer
from .logprobs import TokenLogprob


@dataclass(frozen=True)
class GenerationRequest:
    """One text to be written.

    Attributes:
        prompt: ids.
        patches: strengths by name.
        tokens: longest answer; 0 when only the prompt is to be read.
        temperature: 0 is greedy.
        nucleus: share of the probability that is drawn from.
        seed: of its random numbers.
        sample: number among the samples of the same prompt and seed.
        stops: strings that end it.
        live: tell the text as it is made, not at the end.
        logprobs: tell how likely each token is, and so many of the likeliest beside it; None for neither.
        scored: tell the same of the prompt's tokens.
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
    logprobs: int | None = None
    scored: bool = False


@dataclass(frozen=True)
class OutputChunk:
    """What is told of a row: more text with its tokens, and at its end how many tokens it had and why it ended.

    Attributes:
        text: new text.
        tokens: of the whole row, at its end.
        finish: why it ended.
        problem: why it can not be written.
        logprobs: of the tokens of the new text, and at the end of the one that ended it.
        prompt: of the prompt's tokens, with the first that is told.
    """

    text: str
    tokens: int = 0
    finish: str | None = None
    problem: Exception | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt: tuple[TokenLogprob, ...] = ()


class RequestState:
    """A row from its asking to its end. `cancel()` ends it early, and nothing more is told.

    Attributes:
        ask: what is asked for.
        speech: the text so far.
        ended: nothing more is told.
        prompt: how likely its prompt's tokens are, once they were read; None before.
    """

    def __init__(
        self, ask: GenerationRequest, tell: Callable[[OutputChunk], None], speech: IncrementalDetokenizer
    ) -> None:
        self.ask, self.speech = ask, speech
        self.ended = False
        self.prompt: tuple[TokenLogprob, ...] | None = None
        self._tell, self._held = tell, ""
        self._scores: deque[TokenLogprob] = deque()

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

    def hear(self, token: int, ends: set[int], score: TokenLogprob | None = None) -> None:
        """Take the next token and how likely it was, and tell what is to be told."""
        text, finish = "", "stop" if token in ends else None
        if score is not None:
            self._scores.append(replace(score, start=self.speech.written, end=finish is not None))
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
            self.finish(finish)
        elif self.ask.live and self._held:
            self._pass_on(self._held, 0, None)

    def hear_prompt(self, scores: Sequence[TokenLogprob]) -> None:
        """Take how likely the prompt's tokens are; who reads a stream is told before the text begins."""
        self.prompt = tuple(scores)
        if self.ask.live:
            self._pass_on("", 0, None)

    def finish(self, reason: str) -> None:
        """End the row, and tell the rest of it."""
        self._pass_on(self._held + self.speech.close(), len(self.speech.ids), reason)

    def tell(self, piece: OutputChunk) -> None:
        """Tell a piece, unless the row has ended."""
        if not self.ended:
            self.ended = bool(piece.finish or piece.problem)
            self._tell(piece)

    def _pass_on(self, text: str, tokens: int, finish: str | None) -> None:
        """Tell text with those of its tokens that begin in it; behind a stop string there are none."""
        scores: list[TokenLogprob] = []
        whole = finish is not None and not self.speech.stopped
        while self._scores and (whole or self._scores[0].start < self.speech.told):
            scores.append(self._scores.popleft())
        self._held, prompt, self.prompt = "", self.prompt or (), ()
        self.tell(OutputChunk(text, tokens, finish, logprobs=tuple(scores), prompt=prompt))
