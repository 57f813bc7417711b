"""Refusals as HTTP answers: one shape for all, whoever refused.

``{"error": {code, message, temporary, retry_after_ms?, details?}}`` with the error's own status. What
Quart refuses by itself (no such route, wrong method, body too large) and what fails inside takes the
same shape; of the latter nothing is told but that it happened.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import structlog
from quart import Quart, Response, has_request_context, request
from werkzeug.exceptions import HTTPException

from deskbell.errors import (
    DeskbellError,
    Invalid,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from deskbell.store.database import OutcomeUnknown as StoreOutcomeUnknown
from deskbell.store.database import StoreError, StoreMisuse

log = structlog.get_logger(__name__)


class Malformed(Refused):
    code = "malformed"
    status = 400
    sentence = "The body is not JSON in UTF-8."


class MethodNotAllowed(Refused):
    code = "method_not_allowed"
    status = 405
    sentence = "This address does not take this method."


class UnsupportedMediaType(Refused):
    code = "unsupported_media_type"
    status = 415
    sentence = "Send JSON, with Content-Type: application/json and no Content-Encoding."


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something was refused. ``code`` is for programs, ``message`` for people."""

    code: str
    message: str
    temporary: bool
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None


class Error(msgspec.Struct, frozen=True):
    """The answer of everything that was refused."""

    error: Problem


def answer(error: DeskbellError) -> Response:
    """An error as its client is told."""
    body = Error(Problem(error.code, str(error), error.temporary, error.retry_after_ms, error.details or None))
    response = Response(msgspec.json.encode(body), status=error.status, content_type="application/json")
    if error.retry_after_ms is not None and error.status in (429, 503):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="deskbell"'
    return response


def of_http(error: HTTPException) -> DeskbellError:
    """What Quart refused, as one of ours."""
    match error.code:
        case 400:
            return Malformed("The request is not understood.")
        case 404:
            return NotFound("There is no such address. /api/v1/docs lists them all.")
        case 405:
            return MethodNotAllowed()
        case 408:
            return RateLimited("The body did not arrive in time.", retry_after_ms=1000)
        case 413:
            return TooLarge("The body is larger than allowed.")
        case 415:
            return UnsupportedMediaType()
        case 422:
            return Invalid()
        case 429:
            return RateLimited(retry_after_ms=1000)
        case 503:
            return Unavailable()
        case _:
            return DeskbellError()


def of_exception(error: Exception, route: str) -> DeskbellError:
    """What escaped an action, as its client may know it; the rest goes to the log."""
    if isinstance(error, DeskbellError):
        return error
    if isinstance(error, HTTPException):
        return of_http(error)
    if isinstance(error, StoreOutcomeUnknown):
        return OutcomeUnknown()
    if isinstance(error, StoreError):
        if isinstance(error, StoreMisuse):
            log.error("request_failed", route=route, exc_info=error)
        else:
            log.warning("store_failed", route=route, error=repr(error))
        return Unavailable()
    log.error("request_failed", route=route, exc_info=error)
    return DeskbellError()


def register(app: Quart, prefix: str) -> None:
    """Answer what no route answers, under ``prefix``, in our shape. Elsewhere nothing changes."""

    async def refused(error: HTTPException) -> Any:
        if not has_request_context() or not request.path.startswith(f"{prefix}/"):
            return error
        cause = getattr(error, "original_exception", None)
        if isinstance(cause, Exception):
            return answer(of_exception(cause, request.path))
        response = answer(of_http(error))
        if error.code == 405:
            for name, value in error.get_headers():
                if name == "Allow":
                    response.headers["Allow"] = value
        return response

    # Of several spellings of an address one is right; the others are not led to it.
    app.url_map.merge_slashes = False
    app.register_error_handler(HTTPException, refused)
