"""The OpenAPI document, made from what the routes promise and do.

quart-schema carries it; what it would say of bodies and answers is said by :class:`Provider` instead, since
its own reading of msgspec's types loses those that stand inside others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from quart import Quart
from quart_schema import Info, QuartSchema
from quart_schema.openapi import HttpSecurityScheme, OpenAPIProvider
from werkzeug.routing import Rule

from deskbell.server.rest.conditions import IF_NONE_MATCH
from deskbell.server.rest.errors import Error
from deskbell.server.rest.routes import ID, PROMISE, Promise
from deskbell.version import __version__

REF = "#/components/schemas/{name}"
BEARER = "bearer"
MOUNTED = "deskbell_mounts"
"""Where an application keeps the :class:`~deskbell.server.mounts.Mounts` of its plugins."""
DESCRIPTION = """\
Everything a client does without a socket. JSON in UTF-8; times are RFC 3339 in UTC; ids are UUIDs in lower case and
are names, never an order: the order of a room is `seq`.

Errors are `{"error": {code, message, temporary, retry_after_ms?, details?}}`. What you may not see answers as what
does not exist. Unknown fields and parameters are refused. A NUL character is nowhere allowed.
"""
_NOUNS = {
    "auth": "Getting in, and who one is.",
    "sites": "What pages are told before anybody has logged in, and how admins change that.",
    "people": "Who is behind the counter, and in which team.",
    "rooms": "Rooms one is in.",
    "participants": "The people of a room.",
    "messages": "What is said.",
    "drafts": "What one has begun to write.",
    "search": "Finding what was said.",
    "sync": "Catching up: changes, unread, presence.",
    "support": "Conversations between visitors, the assistant and agents.",
    "cases": "Escalations, for agents.",
    "labels": "What agents sort cases by.",
    "views": "Lists of cases that agents come back to.",
    "snippets": "Texts that agents write again and again.",
    "agents": "Being there.",
    "moderation": "What filters kept back, and what people reported.",
    "plugins": "Plugins, and the addresses they add.",
    "audit": "Who did what, for admins.",
    "health": "For operators.",
}
_STATUS = {
    400: "The body is not JSON.",
    401: "Nobody known asks, or not any more.",
    403: "Known, and not allowed.",
    404: "Absent, or not yours to see.",
    409: "The world has moved on.",
    410: "It is over.",
    412: "What was expected no longer holds.",
    413: "Over a stated limit.",
    415: "Not JSON by its Content-Type.",
    422: "Not understood, or not allowed to be said.",
    429: "Too much at once.",
    500: "A mistake of ours.",
    503: "Not now; nothing is lost.",
}


class Provider(OpenAPIProvider):
    """Reads :class:`~deskbell.server.rest.routes.Promise`; routes without one are not part of the document."""

    _refs: dict[Any, Any]

    def schema(self) -> dict[str, Any]:
        promises = [self._promise(rule) for rule in self.generate_rules()]
        types: list[Any] = [Error]
        for promise in promises:
            types += [kind for kind in (promise.body, promise.query) if kind is not None]
            types += [kind for kind in promise.answers.values() if kind is not str]
        unique = list(dict.fromkeys(types))
        schemas, components = msgspec.json.schema_components(unique, ref_template=REF)
        _even_tuples([schemas, components])
        self._refs = dict(zip(unique, schemas, strict=True))
        self._refs[str] = {"type": "string"}
        self._components = components
        document: dict[str, Any] = super().schema()
        queries = {
            self._refs[promise.query]["$ref"].rpartition("/")[2] for promise in promises if promise.query is not None
        }
        document["components"]["schemas"] = {
            name: schema for name, schema in sorted(components.items()) if name not in queries
        }
        nouns = dict.fromkeys([*_NOUNS, *(promise.noun for promise in promises)])
        document["tags"] = [{"name": noun, "description": _NOUNS.get(noun, "")} for noun in nouns]
        return document

    def generate_rules(self) -> Iterable[Rule]:
        for rule in sorted(self._app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
            if hasattr(self._app.view_functions.get(rule.endpoint), PROMISE):
                yield rule
        # A map of their own binds them, so that they can be read like ours.
        yield from (rule for rule, _ in self._mounted())

    def _mounted(self) -> list[tuple[Rule, Promise]]:
        """What plugins promise at the moment."""
        found: list[tuple[Rule, Promise]] = self._app.extensions[MOUNTED].promises()
        return found

    def _promise(self, rule: Rule) -> Promise:
        for mounted, promised in self._mounted():
            if mounted is rule:
                return promised
        promise: Promise = getattr(self._app.view_functions[rule.endpoint], PROMISE)
        return promise

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        promise = self._promise(rule)
        path = re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule)
        operation: dict[str, Any] = {
            "operationId": rule.endpoint.rpartition(".")[2],
            "tags": [promise.noun],
            "summary": promise.summary,
            "parameters": [*self._path(promise), *self._query(promise), *self._headers(promise)],
            "responses": self._responses(promise),
        }
        if promise.description:
            operation["description"] = promise.description
        if promise.body is not None:
            operation["requestBody"] = {
                "required": bool(self._resolved(promise.body).get("required")),
                "content": {"application/json": {"schema": self._refs[promise.body]}},
            }
        if promise.who == "user":
            operation["security"] = [{BEARER: []}]
        elif promise.who == "maybe":
            operation["security"] = [{}, {BEARER: []}]
        return {path: {promise.method.lower(): operation}}, {}

    def _resolved(self, kind: Any) -> dict[str, Any]:
        schema: dict[str, Any] = self._refs[kind]
        while "$ref" in schema:
            schema = self._components[schema["$ref"].rpartition("/")[2]]
        return schema

    def _path(self, promise: Promise) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"}
                if name.endswith(ID)
                else {"type": "string", "minLength": 1, "maxLength": 64},
            }
            for name in promise.parameters
        ]

    def _query(self, promise: Promise) -> list[dict[str, Any]]:
        if promise.query is None:
            return []
        schema = self._resolved(promise.query)
        parameters = []
        for name, described in schema["properties"].items():
            value = dict(described)
            parameter = {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": value}
            if "description" in value:
                parameter["description"] = value.pop("description")
            parameters.append(parameter)
        return parameters

    def _headers(self, promise: Promise) -> list[dict[str, Any]]:
        headers = dict(promise.headers)
        if promise.is_tagged:
            headers[IF_NONE_MATCH] = {
                "description": "The `ETag` of an answer one has.",
                "schema": {"type": "string"},
            }
        return [{"name": name, "in": "header", "required": False, **described} for name, described in headers.items()]

    def _responses(self, promise: Promise) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for status, kind in promise.answers.items():
            described = (getattr(kind, "__doc__", None) or "").strip().partition("\n")[0]
            responses[str(status)] = {
                "description": described if isinstance(kind, type) and kind is not str and described else "Done.",
                "content": {promise.media.partition(";")[0]: {"schema": self._refs[kind]}},
            }
        if promise.is_tagged:
            responses["304"] = {"description": "What `If-None-Match` names is still what there is."}
        codes: dict[int, list[str]] = {}
        for refusal in promise.refusals():
            codes.setdefault(refusal.status, []).append(refusal.code)
        for status in sorted(codes):
            response: dict[str, Any] = {
                "description": f"{_STATUS[status]} Codes: {', '.join(f'`{code}`' for code in codes[status])}.",
                "content": {"application/json": {"schema": self._refs[Error]}},
            }
            if status in (429, 503):
                response["headers"] = {
                    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
                }
            responses[str(status)] = response
        return responses


def _even_tuples(schema: Any) -> None:
    """Say tuples of one type as arrays of a length: not every reader of OpenAPI knows ``prefixItems``."""
    if isinstance(schema, dict):
        first, *others = schema.get("prefixItems") or [None]
        if first is not None and all(other == first for other in others):
            del schema["prefixItems"]
            schema["items"] = first
    for inner in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(inner, (dict, list, tuple)):
            _even_tuples(inner)


class Document:
    """The document of one application, made when it is first asked for, and anew when a plugin came or went."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self._generation = -1
        self._schema = QuartSchema(
            app,
            conversion_preference="msgspec",
            openapi_path=None,
            redoc_ui_path=None,
            scalar_ui_path=None,
            swagger_ui_path=None,
            info=Info(title="Deskbell", version=__version__, description=DESCRIPTION),
            security_schemes={BEARER: HttpSecurityScheme(scheme="bearer", bearer_format="JWT")},
            openapi_provider_class=Provider,
        )
        self._made: dict[str, Any] | None = None
        self._encoded = b""

    def made(self) -> dict[str, Any]:
        generation = self._app.extensions[MOUNTED].generation
        if self._made is None or self._generation != generation:
            self._generation, self._encoded = generation, b""
            self._made = self._schema.openapi_provider.schema()
        return self._made

    def encoded(self) -> bytes:
        """As JSON."""
        made = self.made()
        if not self._encoded:
            self._encoded = msgspec.json.encode(made)
        return self._encoded
