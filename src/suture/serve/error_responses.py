"""What is told when a request is not answered: status, reason, and what to do, in OpenAI's shape."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import SutureError, UsageError
from .limits import Busy, Closed
from .protocol import Chunk

log = logging.getLogger(__name__)
SHOWN = 3  # mistakes of a request that are listed


def told(wrong: Exception) -> tuple[int, Chunk]:
    """Return the status and the content that tell what is wrong; a bug is logged and told as one."""
    if isinstance(wrong, ValidationError):
        mistakes = wrong.errors(include_url=False, include_input=False, include_context=False)
        lines = [": ".join(filter(None, (".".join(map(str, m["loc"])), m["msg"]))) for m in mistakes[:SHOWN]]
        place = mistakes[0]["loc"]
        return 400, _content("; ".join(lines), "invalid_request_error", str(place[0]) if place else None)
    if isinstance(wrong, Busy):
        return 429, _content(_sentence(wrong), "rate_limit_error")
    if isinstance(wrong, Closed):
        return 503, _content(_sentence(wrong), "unavailable_error")
    if isinstance(wrong, UsageError):
        return 400, _content(_sentence(wrong), "invalid_request_error")
    if isinstance(wrong, HTTPException):
        return wrong.status_code, _content(wrong.detail, "invalid_request_error")
    log.error("a request failed", exc_info=wrong)
    return 500, _content("A bug of this server; its log says more.", "internal_error")


def refusal(wrong: Exception) -> Response:
    """Return the answer that tells what is wrong."""
    status, content = told(wrong)
    headers = dict(wrong.headers or {}) if isinstance(wrong, HTTPException) else {}
    if status in (429, 503):
        headers["Retry-After"] = "1"
    return JSONResponse(content, status, headers)


async def refused(request: Request, wrong: Exception) -> Response:
    """Answer what no address answers."""
    return refusal(wrong)


def _sentence(wrong: SutureError) -> str:
    parts = [wrong.what[:1].upper() + wrong.what[1:], wrong.why, wrong.fix]
    return " ".join(part.rstrip(".") + "." for part in parts if part)


def _content(message: str, kind: str, param: str | None = None) -> Chunk:
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}
