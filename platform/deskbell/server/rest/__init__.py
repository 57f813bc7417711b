"""REST, under ``/api/v1``: one module per noun, each route one action; see :mod:`.routes` for what all share."""

from __future__ import annotations

from typing import Any

from quart import Quart, Response

from deskbell.server.edge import Edge
from deskbell.server.mounts import Mounts
from deskbell.server.rest import (
    agents,
    answers,
    audit,
    auth,
    boards,
    cases,
    docs,
    drafts,
    errors,
    health,
    labels,
    messages,
    moderation,
    openapi,
    participants,
    people,
    plugins,
    rooms,
    search,
    sites,
    snippets,
    support,
    sync,
    views,
)
from deskbell.server.rest.meters import Meters
from deskbell.server.rest.routes import PREFIX

__all__ = ["PREFIX", "openapi_of", "register"]

_DOCUMENT = "deskbell_openapi"
NOUNS = (
    auth,
    sites,
    people,
    rooms,
    participants,
    messages,
    drafts,
    search,
    sync,
    support,
    cases,
    labels,
    views,
    snippets,
    agents,
    boards,
    moderation,
    audit,
    plugins,
)


def register(app: Quart, edge: Edge) -> None:
    """Mount everything. All state belongs to ``app`` and ``edge``, so several applications can live in a process."""
    meters = Meters(edge)
    # What is registered last dresses first: answers are counted as they leave.
    meters.watch(app)
    answers.register(app, edge)
    errors.register(app, PREFIX)
    for noun in NOUNS:
        app.register_blueprint(noun.blueprint(edge))
    app.register_blueprint(health.blueprint(edge, meters))
    mounts = Mounts(edge)
    mounts.register(app)
    app.extensions[openapi.MOUNTED] = mounts
    document = app.extensions[_DOCUMENT] = openapi.Document(app)

    async def openapi_json() -> Response:
        return Response(document.encoded(), content_type="application/json", headers={"Cache-Control": "no-cache"})

    async def docs_page() -> Response:
        page = docs.page(document.made(), "openapi.json")
        headers = {"Content-Security-Policy": docs.POLICY, "Cache-Control": "no-cache"}
        return Response(page, content_type="text/html; charset=utf-8", headers=headers)

    app.add_url_rule(f"{PREFIX}/openapi.json", "openapi_json", openapi_json, methods=["GET"])
    app.add_url_rule(f"{PREFIX}/docs", "docs_page", docs_page, methods=["GET"])


def openapi_of(app: Quart) -> dict[str, Any]:
    """The OpenAPI document of an application on which :func:`register` was called."""
    document: openapi.Document = app.extensions[_DOCUMENT]
    return document.made()
