"""How much one request may ask for, counted before anything is done for it; and what is told when there is no room.

What can never fit is a mistake of the request, which says the limit; what does not fit now may come again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import ResourceError, UsageError
from ..model.lm import LM
from ..model.run.context import context
from ..model.run.generation import check_manner
from ..patch.patch import Patch
from .logprobs import vocabulary
from .request import GenerationRequest

ENTRIES = 1 << 20  # log-probabilities in one answer


class TooLong(UsageError):
    """More tokens than the model can read."""


class Busy(ResourceError):
    """No room for a request now; it may come again."""


class Closed(ResourceError):
    """The server is about to stop."""


@dataclass(frozen=True)
class Limits:
    """What one request can have at most.

    Attributes:
        rows: texts.
        context: tokens that the model reads, those it writes included; None where there is no limit.
        characters: of one prompt, so that a text beyond all reading is not made into ids first; None without a context.
        vocabulary: token ids that the model knows, from 0.
    """

    rows: int
    context: int | None
    characters: int | None
    vocabulary: int = 1 << 62

    @classmethod
    def of(cls, lm: LM, rows: int) -> Limits:
        """Return the limits of a model; a prompt of longer texts than its longest token, as often as it reads, has none of."""
        limit = context(lm)
        if limit is None:
            return cls(rows, None, None, vocabulary(lm))
        longest = max(map(len, lm.tokenizer.get_vocab()), default=1)
        return cls(rows, limit, limit * longest, vocabulary(lm))

    def check_request(self, texts: Sequence[str], candidates: int) -> None:
        """Refuse what can never fit, before it is made into ids.

        Args:
            texts: its prompts.
            candidates: texts to be written for each prompt.

        Raises:
            UsageError: for more texts than the queue holds, or one that is longer than the model can read.
        """
        if len(texts) * candidates > self.rows:
            raise UsageError(
                f"{len(texts) * candidates} texts are asked for at once",
                why=f"{len(texts)} prompts, {candidates} texts for each; this server writes at most {self.rows} for one request.",
                fix="Send several requests.",
            )
        longest = max(map(len, texts), default=0)
        if self.characters is not None and longest > self.characters:
            raise TooLong(
                "the prompt is longer than the model can read",
                why=f"It has {longest} characters; the model reads {self.context} tokens, no more than {self.characters}.",
                fix="Shorten it.",
            )

    def check_ids(self, prompts: Sequence[Sequence[int]], candidates: int) -> None:
        """Refuse prompts of ids that can never be read; as `check_request`, and `check_prompts`.

        Args:
            prompts: its prompts.
            candidates: texts to be written for each prompt.

        Raises:
            UsageError: for too many rows, and ids that the model does not know.
        """
        self.check_request([""] * len(prompts), candidates)
        self.check_prompts(prompts, 0)
        if (largest := max(map(max, prompts))) >= self.vocabulary:
            raise UsageError(
                f"no token {largest}",
                why=f"The model has tokens from 0 to {self.vocabulary - 1}.",
                fix="Make the ids with this model's tokenizer.",
            )

    def check_answer(self, asks: Sequence[GenerationRequest]) -> None:
        """Refuse an answer with more log-probabilities than one should hold.

        Raises:
            UsageError: for more than ENTRIES.
        """
        entries = sum(
            (ask.tokens + ask.scored * len(ask.prompt)) * (ask.logprobs + 1) for ask in asks if ask.logprobs is not None
        )
        if entries > ENTRIES:
            raise UsageError(
                f"up to {entries} log-probabilities are asked for at once",
                why=f"One answer has at most {ENTRIES}.",
                fix="Send several requests, or set max_tokens.",
            )

    def check_prompts(self, prompts: Sequence[Sequence[int]], answer: int = 1) -> None:
        """Refuse prompts of which no text can follow.

        Args:
            prompts: their ids.
            answer: tokens that are to follow.

        Raises:
            UsageError: when one is empty, or as long as the model can read.
        """
        for prompt in prompts:
            self._check_length(len(prompt), answer)

    def check_ask(self, ask: GenerationRequest) -> None:
        """Refuse a row that can not be written.

        Raises:
            UsageError: when it is longer than the model can read, or asked for with numbers that are none.
        """
        check_manner(ask.temperature, ask.nucleus, max(1, ask.tokens))  # none: only the prompt is read
        if wild := [name for name, strength in ask.patches.items() if not math.isfinite(strength)]:
            raise UsageError(f"no strength of {min(wild)!r}: {ask.patches[min(wild)]}", fix="Give a finite number.")
        self._check_length(len(ask.prompt), ask.tokens)

    def _check_length(self, prompt: int, answer: int) -> None:
        if not prompt:
            raise UsageError("the prompt has no tokens", fix="Say something.")
        if self.context is not None and prompt + answer > self.context:
            raise TooLong(
                "the request is longer than the model can read",
                why=f"{prompt} tokens and {answer} of an answer; the model reads {self.context}.",
                fix="Shorten the prompt, or ask for fewer tokens.",
            )


def check_names(what: str, names: Collection[str], served: Collection[str]) -> None:
    """Refuse names that nothing served has.

    Raises:
        UsageError: naming what is served.
    """
    if unknown := set(names) - set(served):
        known = ", ".join(sorted(served)) or "none"
        raise UsageError(f"no {what} {min(unknown)!r}", why=f"Served: {known}.", fix="See GET /v1/models.")


def check_servable(lm: LM, name: str, patch: Patch) -> None:
    """Refuse a patch that can not be attached to some rows of a batch alone.

    Raises:
        PatchMismatch: when it is for another model.
        UsageError: when it can not be attached.
    """
    patch.check_base(lm)
    if not patch.attachable(lm):
        raise UsageError(
            f"the patch {name} can not be served",
            why="It changes a tensor that no linear layer of its own applies, so it can not differ between requests.",
            fix="Write it into a checkpoint and serve that: suture apply",
        )


def closing() -> Closed:
    """Return what is told to those who ask while the server stops."""
    return Closed("the server is about to stop", fix="Ask again when it is back.")


def overflow() -> UsageError:
    """Return what is told of a row whose numbers are not finite."""
    return UsageError("the model's numbers are not finite", why="The strengths are too high.", fix="Lower them.")
