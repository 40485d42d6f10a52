"""Requests and answers as they are on the wire: OpenAI's completions and chats, and two fields more, `patches` and `memories`.

    {"model": "patient", "messages": [{"role": "user", "content": "Hi"}], "patches": {"kind": 0.5}, "memories": ["news"]}
A field that is not known is refused: a misspelt `patches` would otherwise be answered by the base model. Of a list the
first mistake is told (`fail_fast`): to find a hundred thousand takes seconds, in which nobody is answered. Source of the
shapes: OpenAI's API reference, "Completions" and "Chat".
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..model.run.generation import HOTTEST
from .request import GenerationRequest, OutputChunk

TOKENS = 256  # longest answer, where a request does not say
KEYS = 64  # of one object
TURNS, PARTS = 4096, 256  # of a chat; of a message


def _few(value: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Refuse an object of very many keys before each of them is looked at, in which time nobody is answered."""
    if isinstance(value, dict) and len(value) > KEYS:
        raise ValueError(f"{len(value)} keys; at most {KEYS} are read")
    return value


Stop = Annotated[str, Field(min_length=1, max_length=200)]
Chunk = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
        """Take a null for an absent key: clients send back all the fields of an answer, those without a value as null."""
        return (
            {key: value for key, value in _few(body).items() if value is not None} if isinstance(body, dict) else body
        )


class StreamOptions(_Strict):
    """What else a stream tells."""

    include_usage: bool = False


class Common(_Strict):
    """What completions and chats share."""

    model: str
    patches: Annotated[dict[str, float], BeforeValidator(_few)] = Field({})
    memories: list[str] = Field([], max_length=16, fail_fast=True)
    max_tokens: Annotated[int, Field(ge=1, le=1 << 16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=HOTTEST)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    n: Annotated[int, Field(ge=1, le=16)] = 1
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=8, fail_fast=True)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None  # not used
    presence_penalty: Annotated[float, Field(ge=0, le=0)] = 0.0  # others are not offered
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] = 0.0

    @property
    def longest(self) -> int | None:
        """Tokens of an answer, if the request says."""
        return self.max_tokens

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
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        rows = []
        for prompt in prompts:
            room = TOKENS if context is None else max(1, min(TOKENS, context - len(prompt)))
            for sample in range(self.n):
                rows.append(
                    GenerationRequest(
                        prompt, self.patches, self.longest or room, self.temperature, self.top_p, seed, sample, stops,
                        self.stream,
                    )
                )  # fmt: skip
        return rows


class Completion(Common):
    """The body of POST /v1/completions."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=128, fail_fast=True)]
    echo: Literal[False] = False
    logprobs: None = None

    @property
    def texts(self) -> list[str]:
        """The prompts."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt


class Part(_Strict):
    """A part of a message; only text can be read."""

    type: Literal["text"]
    text: str


class Message(_Strict):
    """A turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str | Annotated[list[Part], Field(min_length=1, max_length=PARTS, fail_fast=True)]
    name: str | None = None  # not used

    @property
    def text(self) -> str:
        """All of its text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class Chat(Common):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=TURNS, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=1 << 16)] | None = None
    thinking: bool = False
    logprobs: Literal[False] | None = None

    @property
    def longest(self) -> int | None:
        """See `Common.longest`."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def turns(self) -> list[Mapping[str, str]]:
        """The messages as chat templates read them."""
        return [{"role": message.role, "content": message.text} for message in self.messages]


class Writer:
    """Writes the answers to one request.

    Args:
        chat: whether it was a chat.
        name: of the model.
        identity: of the answer.
        about: what was used to make it: patches, memories and seed, so that it can be made again.
    """

    def __init__(self, chat: bool, name: str, identity: str, about: Mapping[str, Any]) -> None:
        self._chat = chat
        kind = "chat.completion" if chat else "text_completion"
        base = {"id": ("chatcmpl-" if chat else "cmpl-") + identity, "created": int(time.time()), "model": name}
        self._whole = {**base, "object": kind, "suture": dict(about)}
        self._part = {**base, "object": f"{kind}.chunk" if chat else kind}

    def whole(self, texts: Sequence[str], finishes: Sequence[str], prompt: int, answer: int) -> Chunk:
        """Return the answer of a request that does not stream."""
        choices: list[Chunk] = []
        for index, (text, finish) in enumerate(zip(texts, finishes, strict=True)):
            content: Chunk = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
            choices.append({"index": index, **content, "logprobs": None, "finish_reason": finish})
        return {**self._whole, "choices": choices, "usage": usage(prompt, answer)}

    def opening(self, rows: int) -> list[Chunk]:
        """Return what a stream of a chat begins with: who speaks."""
        spoken = {"delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return [self._chunk({"index": row, **spoken}) for row in range(rows)] if self._chat else []

    def piece(self, row: int, piece: OutputChunk) -> Chunk:
        """Return a chunk of a stream."""
        if self._chat:
            delta = {"content": piece.text} if piece.text else {}
            return self._chunk({"index": row, "delta": delta, "finish_reason": piece.finish})
        return self._chunk({"index": row, "text": piece.text, "logprobs": None, "finish_reason": piece.finish})

    def used(self, prompt: int, answer: int) -> Chunk:
        """Return the chunk that tells the number of tokens."""
        return {**self._part, "suture": self._whole["suture"], "choices": [], "usage": usage(prompt, answer)}

    def _chunk(self, choice: Chunk) -> Chunk:
        return {**self._part, "choices": [choice]}


def usage(prompt: int, answer: int) -> dict[str, int]:
    """Return numbers of tokens as OpenAI names them."""
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def event(content: Chunk | str) -> bytes:
    """Return a server-sent event."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"data: {text}\n\n".encode()
