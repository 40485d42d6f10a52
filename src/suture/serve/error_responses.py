"""What is told when a request is not answered: status, reason, and what to do, in OpenAI's shape."""

from __future__ import annotations

import difflib
import logging
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import SutureError, UsageError
from .answers import Chunk
from .limits import Busy, Closed, TooLong
from .model_names import UnknownModel
from .protocol import Chat, Completion

log = logging.getLogger(__name__)
SHOWN = 3  # mistakes of a request that are listed
ADDRESSES = (
    "GET /health", "GET /v1/models", "GET /v1/models/ID", "POST /v1/completions", "POST /v1/chat/completions",
)  # fmt: skip
LONGEST_NAME = 100  # characters of a field's name that are repeated


CODES = {401: "invalid_api_key", 404: "unknown_url"}
KNOWN = sorted({*Completion.model_fields, *Chat.model_fields})


def told(wrong: Exception) -> tuple[int, Chunk]:
    """Return the status and the content that tell what is wrong; a bug is logged and told as one."""
    if isinstance(wrong, ValidationError):
        mistakes = wrong.errors(include_url=False, include_input=False, include_context=False)
        place = mistakes[0]["loc"]
        lines = [_mistake(mistake) for mistake in mistakes[:SHOWN]]
        return 400, _content("; ".join(lines), "invalid_request_error", str(place[0]) if place else None)
    if isinstance(wrong, Busy):
        return 429, _content(_sentence(wrong), "rate_limit_error")
    if isinstance(wrong, Closed):
        return 503, _content(_sentence(wrong), "unavailable_error")
    if isinstance(wrong, TooLong):
        return 400, _content(_sentence(wrong), "invalid_request_error", code="context_length_exceeded")
    if isinstance(wrong, UsageError):
        return 400, _content(_sentence(wrong), "invalid_request_error")
    if isinstance(wrong, HTTPException):
        code = "model_not_found" if isinstance(wrong, UnknownModel) else CODES.get(wrong.status_code)
        param = "model" if isinstance(wrong, UnknownModel) else None
        return wrong.status_code, _content(wrong.detail, "invalid_request_error", param, code)
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
    place = request.url.path[:LONGEST_NAME]
    if isinstance(wrong, HTTPException) and wrong.status_code == 404:
        wrong = HTTPException(404, f"There is nothing at {request.method} {place}. There are: {', '.join(ADDRESSES)}.")
    if isinstance(wrong, HTTPException) and wrong.status_code == 405:
        allowed = (wrong.headers or {}).get("Allow", "another method")
        wrong = HTTPException(405, f"{place} takes {allowed}, not {request.method}.", wrong.headers)
    return refusal(wrong)


def _sentence(wrong: SutureError) -> str:
    parts = [wrong.what[:1].upper() + wrong.what[1:], wrong.why, wrong.fix]
    return " ".join(part.rstrip(".") + "." for part in parts if part)


def _mistake(mistake: Any) -> str:  # noqa: ANN401 - a dict that pydantic types by its own names
    """Return one mistake of a request in a line: where, and what."""
    place = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, KNOWN, 1) if len(place) < LONGEST_NAME else []
        return f"Unrecognized request argument supplied: {place[:LONGEST_NAME]}" + (
            f". Did you mean {near[0]}?" if near else ""
        )
    return ": ".join(filter(None, (place, mistake["msg"].removeprefix("Value error, "))))


def _content(message: str, kind: str, param: str | None = None, code: str | None = None) -> Chunk:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
