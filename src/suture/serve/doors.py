"""Who may ask, and as what: local hosts, tokens, and the web pages that are let in.

On a loopback address requests must name a local host (a web page that was led here names another); elsewhere they carry a token.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import UsageError

LOCAL = ("localhost", "127.0.0.1", "[::1]")
HOST = re.compile(
    rf"(?:{'|'.join(map(re.escape, LOCAL))})(?::\d{{1,5}})?", re.IGNORECASE
)  # all that a local Host can be
ORIGIN = re.compile(r"https?://[^\s/?#@]+", re.IGNORECASE)
ANY = ("*", "null")  # pages of anybody: those in a frame without an origin, and files, call themselves null


def check_caller(request: Request, token: str, *, secret: bool) -> None:
    """Refuse who may not ask.

    Args:
        request: what is asked.
        token: that requests must carry; "" for none, on a loopback address.
        secret: whether this address asks for it.

    Raises:
        HTTPException: 401 without the token, 403 where none is asked for and another host is named.
    """
    if token:
        kind, _, given = request.headers.get("authorization", "").strip().partition(" ")
        known = kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
        if secret and not known:
            raise HTTPException(401, "Give the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        return
    host = request.headers.get("host", "")
    if not HOST.fullmatch(host):
        known_hosts = f"{', '.join(LOCAL[:-1])} or {LOCAL[-1]}"
        raise HTTPException(
            403,
            f"Without a token this server answers as {known_hosts} only, not as {host[:100]!r}. Start it with a token "
            "to ask under other names.",
        )


def origins(given: Sequence[str], token: str) -> list[str]:
    """Return the web pages that are let in, as browsers name them.

    Args:
        given: as "http://localhost:3000", or "*" for all.
        token: that requests must carry.

    Raises:
        UsageError: for something else, and for the pages of anybody without a token.
    """
    names = [origin.strip().rstrip("/") for origin in given]
    for name in names:
        if name in ANY and not token:
            raise UsageError(
                f"every web page could use the model: `cors` {name}",
                why="There is no token, so any page that a browser on this machine opens could ask.",
                fix="Name the page, as http://localhost:3000, or give a `token`.",
            )
        if name not in ANY and not ORIGIN.fullmatch(name):
            raise UsageError(
                f"{name!r} is no origin of web pages",
                why="An origin is a scheme and a host, with a port if it is not the usual one.",
                fix="Give it as http://localhost:3000.",
            )
    return names


def letting_in(pages: Sequence[str]) -> list[Middleware]:
    """Return what tells browsers that web pages may read the answers; nothing without any."""
    if not pages:
        return []
    return [
        Middleware(
            CORSMiddleware, allow_origins=list(pages), allow_methods=["GET", "POST"], allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
    ]  # fmt: skip


class PlainPaths:
    """Takes /v1/models/ and //v1/models for /v1/models, as a base address that ends in a slash makes them.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "http":
            path = re.sub("/{2,}", "/", scope["path"])
            scope = {**scope, "path": path.rstrip("/") or "/"}
        await self._app(scope, receive, send)
