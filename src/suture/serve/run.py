"""Listen until stopped; what is being answered then is finished first."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import socket
from collections.abc import Callable
from http import HTTPStatus

import h11
import uvicorn
from starlette.exceptions import HTTPException
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ResourceError, UsageError
from .app import Desk
from .error_responses import refusal
from .limits import Busy
from .streams import PATIENCE

SHORTEST = 16  # characters of a token
CONNECTIONS = 1024  # held at once, where the process may have so many files open
STALLED = 60.0  # seconds in which a reader takes nothing of what was written for it


class Connection(H11Protocol):
    """A connection that others do not wait for.

    It is closed when the head of a request does not come in PATIENCE seconds (for a body, `Desk` waits), or when its reader takes
    nothing of an answer for STALLED. Where there are too many, the one goes that has waited the longest without a request.
    """

    most = 0  # connections at once; 0 for as many as `_most` allows
    _late: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in H11Protocol
        """Begin to wait."""
        super().connection_made(transport)
        if len(self.connections) > (self.most or _most()) and not self._make_room():
            full = refusal(Busy("too many connections are open", fix="Try again in a moment."))
            self._say(full)
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; how long the head may take counts from its first byte, or from the connection's beginning."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._arrived()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a reader who does not keep up."""
        super().pause_writing()
        if self._stalled is None:
            self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on: the reader has taken what was written."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Tell in OpenAI's shape that this is no HTTP."""
        reason = "The request is no HTTP/1.1 that this server can read, or its head is longer than 64 KiB."
        self._say(refusal(HTTPException(400, reason)))

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(PATIENCE, self.transport.close)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _idle(self) -> asyncio.TimerHandle | None:
        """Return what will close the connection, if nothing is asked on it."""
        return self._late or self.timeout_keep_alive_task

    def _make_room(self) -> bool:
        """Close the connection without a request that would be closed next; returns whether there was one."""
        connections = [connection for connection in self.connections if isinstance(connection, Connection)]
        waiting = [
            (handle.when(), place) for place, connection in enumerate(connections) if (handle := connection._idle())
        ]
        if not waiting:
            return False
        oldest = connections[min(waiting)[1]]
        oldest.transport.abort()
        self.connections.discard(oldest)
        return True

    def _watch(self, left: int) -> None:
        """Close the connection unless its reader takes some of what is left, again and again."""

        def look() -> None:
            now = self.transport.get_write_buffer_size()
            if now < left:
                self._watch(now)
            else:
                self.transport.abort()

        self._stalled = self.loop.call_later(STALLED, look)

    def _say(self, answer: Response) -> None:
        """Write an answer and close, where no request came that the application could answer."""
        head = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\nconnection: close\r\n"
        fields = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        self.transport.write(f"{head}{fields}\r\n".encode("latin-1") + bytes(answer.body))
        self.transport.close()


def _most() -> int:
    """Return how many connections are held at once: each is an open file, and the process needs others."""
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return CONNECTIONS
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(CONNECTIONS, soft // 2))


def check_door(host: str, token: str) -> None:
    """Refuse to listen where others can reach it without a token.

    Raises:
        UsageError: for another address than a loopback one without a token, or with one that can be guessed.
    """
    if token and len(token) < SHORTEST:
        raise UsageError("the token is too short", why=f"It has {len(token)} characters.", fix="Use 16 or more.")
    if not token and not _loopback(host):
        raise UsageError(
            f"{host} can be reached by other machines, and there is no token",
            why="Whoever can connect could use the model.",
            fix="Give one: `token`; or leave `host` at 127.0.0.1.",
        )


def serve(desk: Desk, host: str, port: int, *, grace: float = 30.0, ready: Callable[[str], None]) -> None:
    """Answer until SIGINT or SIGTERM; new connections are refused then, those that are open are answered.

    Args:
        desk: what answers.
        host: address to listen on.
        port: 0 for any free one.
        grace: seconds for what is being answered when it is told to stop.
        ready: called with the address once it listens.

    Raises:
        ResourceError: when it can not listen there.
        UsageError: as `check_door`.
    """
    check_door(host, desk.token)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as problem:
        raise ResourceError(
            f"can not listen on {host}:{port}", why=str(problem), fix="Choose another: `port=0` takes a free one."
        ) from problem
    config = uvicorn.Config(
        desk.app(), http=Connection, ws="none", loop="asyncio", lifespan="off", log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=max(1, round(grace)),
    )  # fmt: skip
    gc.collect()
    gc.freeze()  # what is here now stays: collections in the midst of large requests need not look at it
    with listening, desk.engine.running(grace=1.0):  # by then the connections are answered, or were given up
        place = f"[{host}]" if ":" in host else host
        ready(f"http://{place}:{listening.getsockname()[1]}")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn raises the signal again, after it has stopped in order
            return


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
