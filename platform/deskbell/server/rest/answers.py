"""What every answer under ``/api/v1`` carries: guards for browsers, leave for the sites' pages, compression.

Pages of a tenant's sites may read the answers (CORS); credentials are never allowed across origins,
since there are none but the token a script sends itself. A page of nobody may read that it is none
of a site's, so that its widget can say why it is not there. Answers from 1 KiB are gzipped where the
client takes it. What carries a secret (tokens, tickets) is neither stored nor compressed, so that its
length says nothing about it (BREACH).
"""

from __future__ import annotations

import gzip
from http import HTTPStatus

from quart import Quart, Response, g, request
from quart.wrappers.response import DataBody

from deskbell.server.auth import origin_of
from deskbell.server.edge import Edge
from deskbell.server.rest.conditions import COMPRESSED
from deskbell.server.rest.routes import PREFIX

COMPRESSED_FROM_BYTES = 1024
LEVEL = 5
SECRETS = (f"{PREFIX}/auth/", f"{PREFIX}/ws-tickets")
_COMPRESSIBLE = ("application/json", "text/html", "text/plain")
PREFLIGHT_S = 600
OF_A_SITE = "sites.get_site"


def register(app: Quart, edge: Edge) -> None:
    """Dress all answers under the prefix."""

    @app.after_request
    async def dress(response: Response) -> Response:
        if not request.path.startswith(f"{PREFIX}/"):
            return response
        _guard(response)
        await _share(edge, response)
        await _compress(response)
        return response


def _guard(response: Response) -> None:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    headers.setdefault("Referrer-Policy", "no-referrer")
    # Answers are somebody's own: a shared computer's cache must not hold them.
    headers.setdefault("Cache-Control", "no-store")


async def _share(edge: Edge, response: Response) -> None:
    """Let the page that asks read the answer, if it is one of a site's: of the asker's tenant, once known."""
    response.vary.add("Origin")
    origin, headers = origin_of(request), response.headers
    if origin is None:
        return
    if not await edge.origin_allowed(origin, getattr(g, "tenant", None)):
        if request.endpoint == OF_A_SITE and response.status_code == HTTPStatus.NOT_FOUND:
            # That it is nobody's page, or not of this site, is what its owner has to read.
            headers["Access-Control-Allow-Origin"] = "*"
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = "Retry-After, ETag"
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        headers["Access-Control-Allow-Headers"] = (
            "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
        )
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)


async def _compress(response: Response) -> None:
    if response.mimetype not in _COMPRESSIBLE or request.path.startswith(SECRETS):
        return
    response.vary.add("Accept-Encoding")
    if (
        not isinstance(response.response, DataBody)
        or "Content-Encoding" in response.headers
        or (response.content_length or 0) < COMPRESSED_FROM_BYTES
        or request.accept_encodings["gzip"] <= 0
    ):
        return
    response.set_data(gzip.compress(await response.get_data(as_text=False), LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    tag, _ = response.get_etag()
    if tag is not None:
        # Other bytes, another tag; which record it is can still be read from it.
        response.set_etag(f"{tag}{COMPRESSED}")
