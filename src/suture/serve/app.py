"""Addresses, errors and streams of the server, and who may ask.

    GET  /health                  alive, and how much it has to do
    GET  /v1/models               the model and its patches
    POST /v1/completions          POST /v1/chat/completions
On a loopback address requests must name a local host (a web page that was led here names another); elsewhere they carry a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..model.lm import LM
from .engine import Engine
from .error_responses import refusal, refused, told
from .protocol import Chat, Common, Completion, Writer, event
from .request import GenerationRequest, OutputChunk, RequestState

BODY = 1 << 20  # bytes of a request at most
PATIENCE = 30.0  # seconds for a body to arrive
LOCAL = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(
    rf"(?:{'|'.join(map(re.escape, LOCAL))})(?::\d{{1,5}})?", re.IGNORECASE
)  # all that a local Host can be
C = TypeVar("C", bound=Common)
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Desk:
    """What answers requests.

    Attributes:
        engine: runs the model.
        name: of the model, as requests name it.
        token: what requests must carry; "" for none, on a loopback address.
    """

    engine: Engine
    name: str
    token: str = ""

    def app(self) -> Starlette:
        """Return the application."""
        routes = [
            Route("/health", self._guarded(self._health, secret=False), methods=["GET"]),
            Route("/v1/models", self._guarded(self._models), methods=["GET"]),
            Route("/v1/completions", self._guarded(self._completions), methods=["POST"]),
            Route("/v1/chat/completions", self._guarded(self._chats), methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: refused})

    def _guarded(self, answer: Answer, secret: bool = True) -> Answer:
        """Return an endpoint that checks who asks, and turns errors into answers."""

        async def endpoint(request: Request) -> Response:
            try:
                self._admit(request, secret)
                return await answer(request)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody reads it
            except Exception as wrong:
                return refusal(wrong)

        return endpoint

    def _admit(self, request: Request, secret: bool) -> None:
        if self.token:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            if secret and not (kind.lower() == "bearer" and hmac.compare_digest(token.encode(), self.token.encode())):
                raise HTTPException(401, "Give the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
            return
        host = request.headers.get("host", "")
        if not HOST.fullmatch(host):
            raise HTTPException(403, f"This server answers on {' or '.join(LOCAL)} only, not as {host!r}.")

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": self.name, **self.engine.load})

    async def _models(self, request: Request) -> Response:
        patches = {
            name: {"method": patch.provenance.method, "settings": patch.provenance.settings}
            for name, patch in sorted(self.engine.patches.items())
        }
        memories = {name: {"facts": len(memory.facts)} for name, memory in sorted(self.engine.memories.items())}
        entry = {"id": self.name, "object": "model", "created": 0, "owned_by": "suture"}
        entry |= {"patches": patches, "memories": memories}
        return JSONResponse({"object": "list", "data": [entry]})

    async def _completions(self, request: Request) -> Response:
        body = await self._read(request, Completion)
        prompts = await self._encode(body, body.texts, lambda lm: lm.encode_prompts(body.texts))
        return await self._answer(request, body, prompts)

    async def _chats(self, request: Request) -> Response:
        body = await self._read(request, Chat)
        turns, thinking = body.turns, body.thinking
        texts = ["\n".join(turn["content"] for turn in turns)]
        prompts = await self._encode(body, texts, lambda lm: [lm.encode_messages(turns, thinking=thinking)])
        return await self._answer(request, body, prompts)

    async def _read(self, request: Request, kind: type[C]) -> C:
        """Return the body as a request for this model."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "Send JSON: Content-Type: application/json")
        try:
            body = kind.model_validate_json(await asyncio.wait_for(_body(request), PATIENCE))
        except (TimeoutError, asyncio.TimeoutError):
            late = f"The request did not arrive within {PATIENCE:.0f} seconds."
            raise HTTPException(408, late, {"Connection": "close"}) from None  # what trickles on is not waited for
        if body.model != self.name:
            raise HTTPException(404, f"There is no model {body.model!r} here; it is {self.name!r}.")
        return body

    async def _encode(
        self, body: Common, texts: Sequence[str], make: Callable[[LM], list[list[int]]]
    ) -> list[list[int]]:
        """Return the ids of a request's prompts, having counted what it asks for before anything is done."""
        engine = self.engine
        engine.limits.check_request(texts, body.n)

        def encode() -> list[list[int]]:
            with engine.reading_now:
                return make(engine.reader)

        prompts = await run_in_threadpool(encode)
        if not body.memories:
            return prompts
        engine.limits.check_prompts(prompts)  # with facts before them they only become longer
        return await asyncio.wrap_future(engine.reading(body.memories, lambda: make(engine.lm)))

    async def _answer(self, request: Request, body: Common, prompts: list[list[int]]) -> Response:
        seed = secrets.randbelow(1 << 32) if body.seed is None else body.seed
        asks = body.asks(prompts, seed, self.engine.limits.context)
        pieces: asyncio.Queue[tuple[int, OutputChunk]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        tickets = self.engine.submit(asks, lambda row, piece: _hand_over(loop, pieces, row, piece))
        about = {"patches": body.patches, "memories": body.memories, "seed": seed}
        writer = Writer(isinstance(body, Chat), self.name, secrets.token_hex(12), about)
        prompt_tokens = sum(map(len, prompts))
        if body.stream:
            stream = _stream_events(writer, asks, tickets, pieces, prompt_tokens if body.usage_wanted else None)
            return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        try:
            ended = await _unless_gone(request, _collect(asks, pieces))
        finally:
            for ticket in tickets:
                ticket.cancel()
        texts, finishes = [p.text for p in ended], [p.finish or "" for p in ended]
        return JSONResponse(writer.whole(texts, finishes, prompt_tokens, sum(p.tokens for p in ended)))


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY:
            raise HTTPException(413, f"The request has more than {BODY} bytes.")
    return bytes(body)


def _hand_over(
    loop: asyncio.AbstractEventLoop, pieces: asyncio.Queue[tuple[int, OutputChunk]], row: int, piece: OutputChunk
) -> None:
    """Pass a piece from the engine's thread to the one that answers."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped, and nobody waits
        loop.call_soon_threadsafe(pieces.put_nowait, (row, piece))


async def _collect(asks: list[GenerationRequest], pieces: asyncio.Queue[tuple[int, OutputChunk]]) -> list[OutputChunk]:
    """Return the end of each row; raises what went wrong with any."""
    ended: dict[int, OutputChunk] = {}
    while len(ended) < len(asks):
        row, piece = await pieces.get()
        if piece.problem:
            raise piece.problem
        ended[row] = piece
    return [ended[row] for row in range(len(asks))]


async def _unless_gone(request: Request, work: Awaitable[list[OutputChunk]]) -> list[OutputChunk]:
    """Return what the work returns; raise ClientDisconnect as soon as nobody waits for it."""

    async def until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    answer, departure = asyncio.ensure_future(work), asyncio.ensure_future(until_gone())
    try:
        await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        answer.cancel()
        departure.cancel()


async def _stream_events(
    writer: Writer,
    asks: list[GenerationRequest],
    tickets: list[RequestState],
    pieces: asyncio.Queue[tuple[int, OutputChunk]],
    prompt_tokens: int | None,
) -> AsyncIterator[bytes]:
    """Yield the answer as events; a reader who leaves ends the rows."""
    try:
        for chunk in writer.opening(len(asks)):
            yield event(chunk)
        remaining, answer = len(asks), 0
        while remaining:
            row, piece = await pieces.get()
            if piece.problem:
                yield event(told(piece.problem)[1])
                return
            remaining -= piece.finish is not None
            answer += piece.tokens
            yield event(writer.piece(row, piece))
        if prompt_tokens is not None:
            yield event(writer.used(prompt_tokens, answer))
        yield event("[DONE]")
    finally:
        for ticket in tickets:
            ticket.cancel()
