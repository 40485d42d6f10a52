"""Addresses of the server, and what is done at each.

GET  /health                  alive, and how much it has to do
GET  /v1/models               the model and its patches;  GET /v1/models/ID  one of them, or a mix
POST /v1/completions          POST /v1/chat/completions
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..errors import UsageError
from ..model.lm import LM
from .answers import Manner, Writer, likeliest_first
from .doors import PlainPaths, check_caller, letting_in, origins
from .engine import Engine
from .error_responses import refusal, refused
from .model_names import ModelNames
from .protocol import Chat, Common, Completion
from .streams import Pieces, body_of, collected, hand_over, streamed, unless_gone

C = TypeVar("C", bound=Common)
Answer = Callable[[Request], Awaitable[Response]]
LARGE = 1 << 16  # bytes of a body from which on it is read beside the loop


@dataclass(frozen=True)
class Desk:
    """What answers requests.

    Attributes:
        engine: runs the model.
        name: of the model, as requests name it.
        token: what requests must carry; "" for none, on a loopback address.
        aliases: other names of the model.
        cors: origins of web pages that may ask, as "http://localhost:3000".
    """

    engine: Engine
    name: str
    token: str = ""
    aliases: Sequence[str] = ()
    cors: Sequence[str] = ()

    def app(self) -> Starlette:
        """Return the application.

        Raises:
            UsageError: when `cors` names what is no origin, or everybody without a token.
        """
        routes = [
            Route("/health", self._guarded(self._health, secret=False), methods=["GET"]),
            Route("/v1/models", self._guarded(self._models), methods=["GET"]),
            Route("/v1/models/{name:path}", self._guarded(self._model), methods=["GET"]),
            Route("/v1/completions", self._guarded(self._completions), methods=["POST"]),
            Route("/v1/chat/completions", self._guarded(self._chats), methods=["POST"]),
        ]
        around = [*letting_in(origins(self.cors, self.token)), Middleware(PlainPaths)]
        return Starlette(routes=routes, middleware=around, exception_handlers={HTTPException: refused})

    @cached_property
    def names(self) -> ModelNames:
        """Reads what requests call the model."""
        return ModelNames([self.name, *self.aliases], list(self.engine.patches))

    def _guarded(self, answer: Answer, secret: bool = True) -> Answer:
        """Return an endpoint that checks who asks, and turns errors into answers."""

        async def endpoint(request: Request) -> Response:
            try:
                check_caller(request, self.token, secret=secret)
                return await answer(request)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody reads it
            except Exception as wrong:
                return refusal(wrong)

        return endpoint

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": self.name, **self.engine.load})

    async def _models(self, request: Request) -> Response:
        names = [self.name, *self.names.patches]
        return JSONResponse({"object": "list", "data": [self._entry(name) for name in dict.fromkeys(names)]})

    async def _model(self, request: Request) -> Response:
        return JSONResponse(self._entry(request.path_params["name"]))

    def _entry(self, name: str) -> dict[str, Any]:
        """Return what is told of a model, or of a mix of patches, in the way in which adapters are listed elsewhere."""
        strengths = self.names.strengths(name)
        served = self.engine.patches if name == self.name or not strengths else strengths
        made = {patch: self.engine.patches[patch].provenance for patch in sorted(served)}
        entry: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "suture"}
        entry |= {"root": self.name, "parent": self.name if strengths else None}
        entry["max_model_len"] = self.engine.limits.context
        entry["patches"] = {patch: {"method": how.method, "settings": how.settings} for patch, how in made.items()}
        for patch, strength in strengths.items():
            entry["patches"][patch]["strength"] = strength
        memories = self.engine.memories.items()
        return entry | {"memories": {called: {"facts": len(memory.facts)} for called, memory in sorted(memories)}}

    async def _completions(self, request: Request) -> Response:
        wanted = await self._read(request, Completion)
        if wanted.ids:
            if wanted.memories:
                raise UsageError("memories read texts", why="The prompt is token ids.", fix="Send it as a text.")
            self.engine.limits.check_ids(wanted.ids, wanted.candidates)
            prompts: list[list[int]] = wanted.ids
        else:
            prompts = await unless_gone(request, self._encoded(wanted, wanted.texts, lambda lm: _ids(lm, wanted.texts)))
        echoes: list[str] = []
        if wanted.echo:
            echoes = wanted.texts
            if wanted.ids or wanted.memories:  # what was read, then
                reading = self.engine.readers.submit([], lambda lm: list(map(lm.decode, prompts)))
                echoes = await asyncio.wrap_future(reading)
            echoes = [echo for echo in echoes for _ in range(wanted.n)]
        return await self._answer(request, wanted, prompts, echoes)

    async def _chats(self, request: Request) -> Response:
        wanted = await self._read(request, Chat)
        turns, thinking = wanted.turns("developer" in str(self.engine.lm.tokenizer.chat_template)), wanted.thinks
        said = ["\n".join(turn["content"] for turn in turns)]
        work = self._encoded(wanted, said, lambda lm: [lm.encode_messages(turns, thinking=thinking)])
        return await self._answer(request, wanted, await unless_gone(request, work), [])

    async def _read(self, request: Request, kind: type[C]) -> C:
        """Return the body as a request for this model."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "Send JSON: Content-Type: application/json")
        if (coded := request.headers.get("content-encoding", "identity").strip().lower()) not in ("", "identity"):
            raise HTTPException(415, f"The body is compressed ({coded[:40]}). Send it as it is.")
        body = await body_of(request)
        if len(body) < LARGE:
            wanted = kind.model_validate_json(body)
        else:
            wanted = await run_in_threadpool(kind.model_validate_json, body)
        patches = self.names.merged(wanted.model, wanted.patches)
        return wanted.model_copy(update={"patches": patches, "model": wanted.model or self.name})

    async def _encoded(
        self, wanted: Common, texts: Sequence[str], make: Callable[[LM], list[list[int]]]
    ) -> list[list[int]]:
        """Return the ids of a request's prompts, having counted what it asks for before anything is done."""
        engine = self.engine
        engine.limits.check_request(texts, wanted.candidates)
        prompts = await asyncio.wrap_future(engine.readers.submit(texts, make))
        if not wanted.memories:
            return prompts
        engine.limits.check_prompts(prompts)  # with facts before them they only become longer
        return await asyncio.wrap_future(engine.reading(wanted.memories, lambda: make(engine.lm)))

    async def _answer(
        self, request: Request, wanted: Common, prompts: Sequence[Sequence[int]], echoes: Sequence[str]
    ) -> Response:
        seed = secrets.randbelow(1 << 32) if wanted.seed is None else wanted.seed
        asks = wanted.asks(prompts, seed, self.engine.limits.context)
        pieces: Pieces = asyncio.Queue()
        loop = asyncio.get_running_loop()
        texts = None if wanted.top is None else self.engine.texts
        tickets = self.engine.submit(asks, lambda row, piece: hand_over(loop, pieces, row, piece))
        about = {"patches": wanted.patches, "memories": wanted.memories, "seed": seed}
        chat, counted = isinstance(wanted, Chat), wanted.stream and wanted.usage_wanted
        writer = Writer(Manner(chat, wanted.model, about, echoes, texts, counted), secrets.token_hex(12))
        given = sum(map(len, prompts))
        if wanted.stream:
            stream = streamed(writer, asks, tickets, pieces, given if counted else None)
            return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        try:
            ended = await unless_gone(request, collected(len(asks), pieces))
        finally:
            for ticket in tickets:
                ticket.cancel()
        written = sum(piece.tokens for piece in ended)
        if wanted.candidates > wanted.n:
            ended = likeliest_first(ended, wanted.candidates, wanted.n)
        content = await run_in_threadpool(lambda: b"".join(writer.whole(ended, given, written)))
        return Response(content, media_type="application/json")


def _ids(lm: LM, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of prompts; an empty one begins with the start token, or the end token, as OpenAI's does."""
    begin = [token for token in (lm.tokenizer.bos_token_id, lm.tokenizer.eos_token_id) if token is not None][:1]
    return [row or begin for row in lm.encode_prompts(texts)]
