"""Listen until stopped; what is being answered then is finished first."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ResourceError, UsageError
from .app import PATIENCE, Desk

SHORTEST = 16  # characters of a token


class Connection(H11Protocol):
    """A connection that is closed when the head of a request does not come in PATIENCE seconds; for a body, `Desk` waits."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in H11Protocol
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; how long the head may take counts from its first byte, or from the connection's beginning."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(PATIENCE, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


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
