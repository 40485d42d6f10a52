"""Requests as they are on the wire: OpenAI's completions and chats, and two fields more, `patches` and `memories`.

    {"model": "patient", "messages": [{"role": "user", "content": "Hi"}], "patches": {"kind": 0.5}, "memories": ["news"]}
A field that nobody knows is refused, as OpenAI does: a misspelt `patches` would otherwise be answered by the base model. Of a
list the first mistake is told (`fail_fast`): to find a hundred thousand takes seconds, in which nobody is answered. Source of the
shapes: OpenAI's API reference, "Completions" and "Chat".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WrapValidator, model_validator

from ..model.run.generation import HOTTEST
from .fields import (
    Idle,
    KnownOfChats,
    KnownOfCompletions,
    None_,
    Off,
    StreamOptions,
    Strict,
    Whole,
    whole,
    without_nulls,
)
from .request import GenerationRequest

TOKENS = 256  # longest answer, where a request does not say
LONGEST = 1 << 16  # tokens of an answer that can be asked for
TURNS, PARTS = 4096, 256  # of a chat; of a message
TEXT = ("text", "input_text", "output_text")  # how parts of text are called, also in OpenAI's other interface
STOPS, STOP_LENGTH = 32, 200  # strings that end a text; characters of one
TOP = 20  # tokens whose log-probabilities are told beside the one that was written
SAMPLES = 128  # texts for one prompt
PROMPTS = 2048  # of a completion
NARROWEST = 1e-9  # share of the probability that a `top_p` of 0 means: the likeliest token alone


def prompts_of(given: Any) -> list[str] | list[list[int]]:  # noqa: ANN401 - anything JSON can hold
    """Return a completion's prompts: a text, texts, ids, or several rows of ids.

    Raises:
        ValueError: saying which of them is none.
    """
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        raise ValueError("a text is expected, or token ids, or a list of either")
    rows = [given] if isinstance(given[0], int | float) else given
    if len(rows) > PROMPTS:
        raise ValueError(f"{len(rows)} prompts; at most {PROMPTS} are read")
    kind = str if isinstance(rows[0], str) else list
    for place, row in enumerate(rows):
        if not isinstance(row, kind):
            raise ValueError(f"prompt {place} is neither a text nor a list of ids, or not the same as those before it")
        if isinstance(row, list) and not all(map(_is_id, row)):
            raise ValueError(f"prompt {place} has something that is no token id: a whole number from 0")
    return [[int(token) for token in row] for row in rows] if kind is list else rows


def stops_of(given: Any) -> list[str]:  # noqa: ANN401 - anything JSON can hold
    """Return the strings that end a text; an empty one ends none.

    Raises:
        ValueError: for something else, or too many or too long ones.
    """
    stops = [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise ValueError("a text or a list of texts is expected")
    if len(stops) > STOPS or any(len(stop) > STOP_LENGTH for stop in stops):
        raise ValueError(f"at most {STOPS} texts of {STOP_LENGTH} characters are looked for")
    return [stop for stop in stops if stop]


def counted(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take true for 1 and false for none, as chats switch log-probabilities."""
    return (1 if given else None) if isinstance(given, bool) else whole(given)


def parts_of(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take a text for a message of one part."""
    return [{"type": "text", "text": given}] if isinstance(given, str) else given


def _is_id(given: Any) -> bool:  # noqa: ANN401 - anything JSON can hold
    return (type(given) is int and given >= 0) or (type(given) is float and given >= 0 and given.is_integer())


class Common(Strict):
    """What completions and chats share."""

    model: str = ""
    patches: Annotated[dict[str, float], BeforeValidator(without_nulls)] = Field({})
    memories: list[str] = Field([], max_length=16, fail_fast=True)
    max_tokens: Annotated[Whole, Field(ge=1, le=LONGEST)] | None = None
    temperature: Annotated[float, Field(ge=0, le=HOTTEST)] = 1.0
    top_p: Annotated[float, Field(ge=0, le=1)] = 1.0
    n: Annotated[Whole, Field(ge=1, le=SAMPLES)] = 1
    seed: Annotated[Whole, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Annotated[list[str], BeforeValidator(stops_of)] = Field([])
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def longest(self) -> int | None:
        """Tokens of an answer, if the request says."""
        return self.max_tokens

    @property
    def candidates(self) -> int:
        """Texts that are written for a prompt."""
        return self.n

    @property
    def top(self) -> int | None:
        """How many of the likeliest tokens are told beside each; None where no log-probabilities are wanted."""
        return None

    @property
    def scored(self) -> bool:
        """Whether log-probabilities of the prompt are wanted."""
        return False

    @property
    def usage_wanted(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return self.stream_options is not None and self.stream_options.include_usage

    def asks(self, prompts: Sequence[Sequence[int]], seed: int, context: int | None) -> list[GenerationRequest]:
        """Return the rows of the request, those of a prompt together.

        Args:
            prompts: their ids.
            seed: that of the request, or one drawn for it.
            context: tokens that the model can read.
        """
        logprobs = (
            0 if self.top is None and self.candidates > self.n else self.top
        )  # the best of several are told by theirs
        nucleus = max(self.top_p, NARROWEST)
        made = []
        for prompt in prompts:
            room = TOKENS if context is None else max(1, min(TOKENS, context - len(prompt)))
            tokens = room if self.longest is None else self.longest
            for sample in range(self.candidates):
                made.append(
                    GenerationRequest(
                        prompt, self.patches, tokens, self.temperature, nucleus, seed, sample, self.stop, self.stream,
                        logprobs, self.scored,
                    )
                )  # fmt: skip
        return made


class Completion(Common, KnownOfCompletions):
    """The body of POST /v1/completions.

    Attributes:
        prompt: texts, or rows of ids.
    """

    prompt: Annotated[list[str] | list[list[int]], WrapValidator(lambda given, _: prompts_of(given))]
    max_tokens: Annotated[Whole, Field(ge=0, le=LONGEST)] | None = None
    echo: bool = False
    logprobs: Annotated[Annotated[int, Field(ge=0, le=TOP)] | None, BeforeValidator(counted)] = None
    best_of: Annotated[Whole, Field(ge=1, le=TOP)] | None = None

    @model_validator(mode="after")
    def _enough(self) -> Completion:
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError(f"best_of: {self.best_of} texts are fewer than n = {self.n}")
        if self.stream and self.candidates > self.n:
            raise ValueError("best_of: the best are known when all are written, so they can not be streamed")
        return self

    @property
    def candidates(self) -> int:
        """See `Common.candidates`."""
        return self.n if self.best_of is None else self.best_of

    @property
    def top(self) -> int | None:
        """See `Common.top`."""
        return self.logprobs

    @property
    def scored(self) -> bool:
        """See `Common.scored`."""
        return self.echo and self.logprobs is not None

    @property
    def texts(self) -> list[str]:
        """The prompts that are texts."""
        return [prompt for prompt in self.prompt if isinstance(prompt, str)]

    @property
    def ids(self) -> list[list[int]]:
        """The prompts that are ids."""
        return [prompt for prompt in self.prompt if isinstance(prompt, list)]


class Part(Strict):
    """A part of a message; only text can be read, or a refusal that was sent back."""

    type: Literal["text", "refusal"]
    text: str = ""
    refusal: str = ""
    cache_control: Idle = None
    annotations: Idle = None

    @model_validator(mode="before")
    @classmethod
    def _only_text(cls, given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
        if isinstance(given, dict) and given.get("type") in TEXT:
            given = {**given, "type": "text"}
        if isinstance(given, dict) and given.get("type") in ("text", "refusal") and given["type"] not in given:
            raise ValueError(f"there is no {given['type']!r} in this part")
        if isinstance(given, dict) and isinstance(given.get("type"), str) and given["type"] not in ("text", "refusal"):
            raise ValueError(f"a part of the type {given['type'][:40]!r} can not be read; this server reads text")
        return given


class Message(Strict):
    """A turn of a chat; what else clients send back of an answer is taken where it says nothing."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part], Field(min_length=1, max_length=PARTS, fail_fast=True), BeforeValidator(parts_of)]
    name: Idle = None
    refusal: Idle = None
    annotations: Idle = None
    reasoning: Idle = None  # of earlier turns: chat templates leave it out
    reasoning_content: Idle = None
    audio: None_ = None
    tool_calls: None_ = None
    function_call: None_ = None
    prefix: Off = False

    @model_validator(mode="before")
    @classmethod
    def _spoken(cls, given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
        """Refuse what tools say, and take an assistant's missing content for its refusal, or for silence."""
        if not isinstance(given, dict):
            return given
        if given.get("role") in ("tool", "function"):
            raise ValueError("tools are not offered here: leave out what they say")
        if given.get("role") == "assistant" and given.get("content") in (None, []):
            given = {**given, "content": given["refusal"] if isinstance(given.get("refusal"), str) else ""}
        return given

    @property
    def text(self) -> str:
        """All of its text."""
        return "".join(part.text or part.refusal for part in self.content)


class TemplateSettings(Strict):
    """What a chat template is told."""

    enable_thinking: bool | None = None


class Chat(Common, KnownOfChats):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=TURNS, fail_fast=True)]
    max_completion_tokens: Annotated[Whole, Field(ge=1, le=LONGEST)] | None = None
    thinking: bool = False
    chat_template_kwargs: TemplateSettings | None = None
    logprobs: bool = False
    top_logprobs: Annotated[Whole, Field(ge=0, le=TOP)] | None = None

    @model_validator(mode="after")
    def _asked_for(self) -> Chat:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs: it needs logprobs: true")
        return self

    @property
    def longest(self) -> int | None:
        """See `Common.longest`."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def top(self) -> int | None:
        """See `Common.top`."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def thinks(self) -> bool:
        """Whether the model may think aloud."""
        allowed = self.chat_template_kwargs.enable_thinking if self.chat_template_kwargs else None
        return self.thinking if allowed is None else allowed

    def turns(self, developer: bool) -> list[Mapping[str, str]]:
        """Return the messages as chat templates read them.

        Args:
            developer: whether the template has a role of that name; elsewhere it is the system's.
        """
        roles = {} if developer else {"developer": "system"}
        return [{"role": roles.get(turn.role, turn.role), "content": turn.text} for turn in self.messages]
