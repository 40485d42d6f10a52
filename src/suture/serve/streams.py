"""What goes between a connection and the engine's thread: bodies that arrive, rows that are told, readers who leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from .answers import Writer, event
from .error_responses import told
from .request import GenerationRequest, OutputChunk, RequestState

BODY = 1 << 21  # bytes of a request at most
DROPPED = 1 << 26  # of one that is longer, so many are taken and dropped: who still sends does not read the answer
PATIENCE = 30.0  # seconds for a body to arrive
MARK = b"\xef\xbb\xbf"  # before texts of some editors and libraries; what follows is JSON all the same
NAMED = 64  # log-probabilities that are named at once while others wait
Pieces = asyncio.Queue[tuple[int, OutputChunk]]
T = TypeVar("T")


async def body_of(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: 413 for one that is too long, 408 for one that does not arrive.
    """
    try:
        return await asyncio.wait_for(_body(request), PATIENCE)
    except (TimeoutError, asyncio.TimeoutError):
        late = f"The request did not arrive within {PATIENCE:.0f} seconds."
        raise HTTPException(408, late, {"Connection": "close"}) from None  # what trickles on is not waited for


async def _body(request: Request) -> bytes:
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= BODY:
            body += chunk
        elif size > DROPPED:
            break
    if size > BODY:
        raise HTTPException(413, f"The request has more than {BODY} bytes.", {"Connection": "close"})
    return bytes(body).removeprefix(MARK)


def hand_over(loop: asyncio.AbstractEventLoop, pieces: Pieces, row: int, piece: OutputChunk) -> None:
    """Pass a piece from the engine's thread to the one that answers."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped, and nobody waits
        loop.call_soon_threadsafe(pieces.put_nowait, (row, piece))


async def collected(rows: int, pieces: Pieces) -> list[OutputChunk]:
    """Return the end of each row; raises what went wrong with any."""
    ended: dict[int, OutputChunk] = {}
    while len(ended) < rows:
        row, piece = await pieces.get()
        if piece.problem:
            raise piece.problem
        ended[row] = piece
    return [ended[row] for row in range(rows)]


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Return what the work returns; raise ClientDisconnect as soon as nobody waits for it."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    answer, left = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise ClientDisconnect
    finally:
        answer.cancel()
        left.cancel()


async def streamed(
    writer: Writer,
    asks: Sequence[GenerationRequest],
    tickets: Sequence[RequestState],
    pieces: Pieces,
    given: int | None,
) -> AsyncIterator[bytes]:
    """Yield the answer as events; a reader who leaves ends the rows.

    Args:
        writer: writes them.
        asks: the rows.
        tickets: of the rows.
        pieces: what is told of them.
        given: tokens of the prompts, where a last event is to tell the numbers.
    """
    try:
        for chunk in writer.opening(len(asks)):
            yield event(chunk)
        left, answer = len(asks), 0
        while left:
            row, piece = await pieces.get()
            if piece.problem:
                yield event(told(piece.problem)[1])
                return
            left -= piece.finish is not None
            answer += piece.tokens
            many = len(piece.prompt) + len(piece.logprobs) > NAMED
            yield event(await run_in_threadpool(writer.piece, row, piece) if many else writer.piece(row, piece))
        if given is not None:
            yield event(writer.used(given, answer))
        yield event("[DONE]")
    finally:
        for ticket in tickets:
            ticket.cancel()
