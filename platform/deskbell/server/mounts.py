"""The addresses that plugins add, under ``/api/v1/plugins/<plugin>/``.

One route of ours stands for all of theirs and looks up each request in a table that is made anew whenever a
plugin comes or goes: what is switched off answers 404 from then on, and is gone from the API's description.
Around each handler stands what stands around our own routes: who asks, the checked query and body, the shape
of refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from quart import Quart, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, PathConverter, Rule

from deskbell.contracts import Route, RouteRequest
from deskbell.errors import DeskbellError, Forbidden, Unavailable
from deskbell.model.records import Actor
from deskbell.plugins import Asked, Fault
from deskbell.plugins.offers import METHODS, RESERVED_PATHS
from deskbell.server.edge import Edge
from deskbell.server.rest.routes import PREFIX, Ask, Promise, Routes

NOUN = "plugins"
UNANSWERED = "This part of the desk does not answer at the moment. Try again."


class _Mounted(PathConverter):
    """A path that is none of the platform's own, whose methods would otherwise be mixed with the plugins'."""

    regex = rf"(?!(?:{'|'.join(RESERVED_PATHS)})(?:/|$))[^/].*?"


class Mounts:
    """The plugins' addresses of one application."""

    def __init__(self, edge: Edge) -> None:
        self._plugins = edge.ports.plugins
        self._edge = edge
        self._routes = Routes(NOUN, edge)
        self._generation = -1
        self._map = Map()
        self._views: dict[str, Any] = {}
        self._promises: list[tuple[Rule, Promise]] = []

    def register(self, app: Quart) -> None:
        """Mount the one route that stands for all."""

        async def plugin_address(name: str, rest: str) -> Response:
            self._refresh()
            table, address = self._map.bind("desk"), f"{PREFIX}/plugins/{name}/{rest}"
            if request.method == "OPTIONS":
                if not (allowed := table.allowed_methods(address)):
                    raise NotFound
                return Response("", headers={"Allow": ", ".join(sorted({*allowed, "OPTIONS"}))})
            found, path = table.match(address, method=request.method)
            answer: Response = await self._views[found](**path)
            return answer

        app.url_map.converters["mounted"] = _Mounted
        app.add_url_rule(
            f"{PREFIX}/plugins/<name>/<mounted:rest>",
            "plugin_address",
            plugin_address,
            methods=[*METHODS, "OPTIONS"],
            provide_automatic_options=False,
        )

    @property
    def generation(self) -> int:
        """Rises whenever the addresses may have changed."""
        return self._plugins.generation

    def promises(self) -> list[tuple[Rule, Promise]]:
        """What the addresses promise, for the API's description."""
        self._refresh()
        return self._promises

    def _refresh(self) -> None:
        if self._generation == self._plugins.generation:
            return
        self._generation = self._plugins.generation
        self._map, self._views, self._promises = Map(merge_slashes=False), {}, []
        for asked in self._plugins.routes:
            promise = _promise(asked)
            name = f"{NOUN}.{asked.plugin.name}_{asked.offer.name}".replace("-", "_")
            endpoint = NOUN + "." + name.partition(".")[2].replace(".", "_")
            rule = Rule(f"{PREFIX}{promise.path}", endpoint=endpoint, methods=[promise.method])
            self._map.add(rule)
            self._views[endpoint] = self._routes.view(promise, self._handler(asked))
            self._promises.append((rule, promise))

    def _handler(self, asked: Asked[Route]) -> Any:
        async def handle(ask: Ask, **path: str) -> bytes:
            _may_ask(asked.offer, ask.who)
            who = ask.who
            wanted = RouteRequest(
                who=who,
                path=path,
                body=ask.body,
                query=ask.query,
                raw=ask.raw,
                headers=ask.headers,
                address=ask.address,
                settings=self._plugins.settings_for(asked.plugin, None if who is None else who.tenant),
                _acting=None if who is None else self._edge.desk.acting(lambda: who),
            )
            try:
                answer = await asked.door.ask(wanted)
            except Fault:
                raise Unavailable(UNANSWERED) from None
            return _fitting(asked, answer)

        return handle


def _fitting(asked: Asked[Route], answer: Any) -> bytes:
    """The answer as JSON, if it is what was promised."""
    try:
        encoded = msgspec.json.encode(answer)
        msgspec.json.decode(encoded, type=asked.offer.answers)
    except Exception as error:  # no JSON, or of another shape
        asked.door.fault(f"answered with a {type(answer).__name__}, which does not fit: {type(error).__name__}")
        raise Unavailable(UNANSWERED) from None
    return encoded


def _may_ask(route: Route, who: Actor | None) -> None:
    allowed = {
        "anybody": True,
        "user": who is not None,
        "staff": who is not None and who.is_staff,
        "supervisor": who is not None and who.role in ("supervisor", "admin"),
        "admin": who is not None and who.role == "admin",
    }
    if not allowed[route.who]:
        raise Forbidden(f"This is for {'admins' if route.who == 'admin' else route.who}.")


def _promise(asked: Asked[Route]) -> Promise:
    route = asked.offer
    refuses: list[type[DeskbellError]] = [] if route.who in ("anybody", "user") else [Forbidden]
    answers: Mapping[int, Any] = {200: route.answers}
    return Promise(
        method=route.method,
        path=f"/plugins/{asked.plugin.name}{route.path}",
        noun=NOUN,
        summary=route.summary,
        description=f"Of the plugin `{asked.plugin.name}`.",
        answers=answers,
        body=route.body,
        query=route.query,
        refuses=refuses,
        who="maybe" if route.who == "anybody" else "user",
        raw=True,
    )
