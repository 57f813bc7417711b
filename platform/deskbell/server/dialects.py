"""The addresses of dialects: their sockets, their HTTP aliases, their health.

Which there are follows the plugins that are active now, so one that is switched on or off while the desk runs
comes and goes without a restart. What is said on a socket is left to :mod:`deskbell.server.dialect_socket`.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog
from quart import Quart, Request, Response, Websocket, g, request, websocket
from werkzeug.exceptions import HTTPException

from deskbell.actions import operations
from deskbell.contracts import Alias, Answer, Dialect, RouteRequest, Vitals
from deskbell.errors import (
    DeskbellError,
    Invalid,
    NotFound,
    TooDeep,
    Unauthenticated,
    Unavailable,
)
from deskbell.model.records import Actor
from deskbell.plugins import Asked
from deskbell.plugins.door import where
from deskbell.server import line
from deskbell.server.auth import actor_of, address_of
from deskbell.server.dialect_socket import DialectSocket, Spoken
from deskbell.server.edge import Edge
from deskbell.server.line import Line
from deskbell.server.outbound import Outbound
from deskbell.server.rest import errors
from deskbell.server.voice import DialectVoice, as_json
from deskbell.wire.commands import check_depth

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Address:
    """Where something of a dialect's is found. The more of it is plain text, the earlier it is looked at."""

    method: str
    pattern: re.Pattern[str]
    blanks: int
    spoken: Spoken
    serves: Any

    @classmethod
    def of(cls, method: str, path: str, spoken: Spoken, serves: Any) -> _Address:
        blank = re.compile(r"<([a-z_][a-z0-9_]*)>")
        pattern = "".join(
            f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(blank.split(path))
        )
        return cls(method, re.compile(pattern), pattern.count("(?P<"), spoken, serves)


class Dialects:
    """All dialects of an application, by address."""

    def __init__(self, app: Quart, edge: Edge) -> None:
        self._app = app
        self._edge = edge
        self._generation = -1
        self._spoken: dict[int, Spoken] = {}
        self._addresses: list[_Address] = []

    def find(self, method: str, path: str) -> tuple[_Address, dict[str, str]] | None:
        """What answers here; ``method`` is ``WS`` for a socket."""
        host = self._edge.ports.plugins
        if host.generation != self._generation:
            self._generation = host.generation
            self._settle(host.dialects)
        for address in self._addresses:
            if address.method == method and (match := address.pattern.fullmatch(path)) is not None:
                return address, match.groupdict()
        return None

    def _settle(self, dialects: Sequence[Asked[Dialect]]) -> None:
        before, self._spoken = self._spoken, {}
        found: list[_Address] = []
        for asked in dialects:
            dialect = asked.offer
            spoken = before.get(id(dialect))
            if spoken is None or spoken.asked.plugin is not asked.plugin:
                understands = None if dialect.frames is None else msgspec.json.Decoder(dialect.frames)
                spoken = Spoken(asked, DialectVoice(asked, self._edge.ports), understands)
            self._spoken[id(dialect)] = spoken
            found += [_Address.of("WS", path, spoken, dialect) for path in dialect.sockets]
            found += [
                _Address.of(alias.method, alias.path, spoken, alias)
                for alias in dialect.aliases
                if alias.claims is not None or not self._is_ours(asked, alias.method, alias.path)
            ]
            if dialect.health and not self._is_ours(asked, "GET", dialect.health):
                found.append(_Address.of("GET", dialect.health, spoken, None))
        self._addresses = sorted(found, key=lambda address: address.blanks)

    def _is_ours(self, asked: Asked[Dialect], method: str, path: str) -> bool:
        """Whether v1 has this address: nobody takes it away without saying which requests are theirs."""
        try:
            self._app.url_map.bind("").match(re.sub("<[^>]*>", "x", path), method)
        except HTTPException:
            return False
        asked.door.fault(f"{method} {path} is an address of v1, and no claims says whose a request is: left out")
        log.error("dialect_address_taken", plugin=asked.plugin.name, method=method, path=path)
        return True

    # sockets

    async def socket(self, current: Websocket) -> bool:
        """Serve a socket at a dialect's address; False: there is none at this one."""
        found = self.find("WS", current.path)
        if found is None:
            return False
        address, path = found

        def make(accepted: Websocket, out: Outbound, origin: str | None) -> Line:
            return DialectSocket(self._edge, accepted, out, origin, address.spoken, path)

        await line.serve(self._edge, current, make)
        return True

    # HTTP

    async def answer(self, current: Request) -> Response | None:
        """Answer a request at a dialect's address; None: it is not a dialect's."""
        found = self.find(current.method, current.path)
        if found is None:
            return self._asked_before(current)
        address, path = found
        spoken, alias = address.spoken, address.serves
        if alias is None:
            return await self._health(spoken)
        try:
            if alias.claims is not None and not await self._claimed(spoken, alias, path, current):
                return None
            asked = await self._understood(spoken, alias, path, current)
            if alias.method == "GET":
                answered = await spoken.ask(alias.handler, asked)
            else:
                answered = await self._seen_through(spoken, alias, asked)
            return _response(answered if isinstance(answered, Answer) else Answer(200, answered))
        except Exception as error:
            return self._refused(spoken, errors.of_exception(error, f"{alias.method} {alias.path}"))

    def _asked_before(self, current: Request) -> Response | None:
        """A browser's question whether its page may ask at all; who may is told by the headers of every answer."""
        if current.method != "OPTIONS" or "Access-Control-Request-Method" not in current.headers:
            return None
        asked = self.find(current.headers["Access-Control-Request-Method"], current.path)
        return None if asked is None else Response(status=204)

    async def _claimed(self, spoken: Spoken, alias: Alias, path: Mapping[str, str], current: Request) -> bool:
        """Whether a request at an address of v1's is the dialect's; in doubt it is v1's, which says what is wrong."""
        assert alias.claims is not None
        try:
            asked = await self._understood(spoken, alias, path, current, body=False)
            return await spoken.ask(alias.claims, asked) is True
        except DeskbellError:
            return False

    async def _understood(
        self, spoken: Spoken, alias: Alias, path: Mapping[str, str], current: Request, *, body: bool = True
    ) -> RouteRequest:
        actor: Actor | None = None
        if alias.who == "user":
            actor = await actor_of(self._edge, current)
            g.tenant = actor.tenant
        if any("\x00" in value for value in path.values()):
            raise NotFound()
        raw = await current.body
        plugin = spoken.asked.plugin
        return RouteRequest(
            who=actor,
            path=path,
            body=_body(alias.body, raw, self._edge.ports.settings.limits.json_depth) if body else None,
            query=_query(alias.query, current),
            raw=raw,
            headers={name.lower(): value for name, value in current.headers.items()},
            address=address_of(current),
            settings=self._edge.ports.plugins.settings_for(plugin, None if actor is None else actor.tenant),
            _acting=None if actor is None else self._edge.desk.acting(partial(_same, actor)),
        )

    async def _seen_through(self, spoken: Spoken, alias: Alias, asked: RouteRequest) -> Any:
        """Run to the end what changes something, whether or not its client still waits for the answer."""

        async def outcome() -> Any:
            try:
                return await spoken.ask(alias.handler, asked)
            except Exception as error:
                return error

        running = self._edge.ports.tasks.start(outcome(), "request")
        if running is None:
            raise Unavailable("This instance is stopping. Ask again.")
        done = await asyncio.shield(running)
        if isinstance(done, Exception):
            raise done
        return done

    async def _health(self, spoken: Spoken) -> Response:
        edge = self._edge
        fitness = await operations.fitness(edge.ports, draining=edge.draining)
        redis = not edge.ports.settings.bus.is_memory and not edge.ports.bus.degraded
        try:
            answered = spoken.dialect.health_answer(Vitals(fitness.ready, edge.hub.connection_count, redis))
            return _response(answered)
        except Exception as error:
            spoken.asked.door.fault(f"health_answer: {where(error)}")
            return errors.answer(Unavailable())

    def _refused(self, spoken: Spoken, error: DeskbellError) -> Response:
        try:
            response = _response(spoken.dialect.refuse_request(error))
        except Exception as fault:
            spoken.asked.door.fault(f"refuse_request: {where(fault)}")
            return errors.answer(error)
        if error.retry_after_ms is not None and error.status in (429, 503):
            response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
        if isinstance(error, Unauthenticated):
            response.headers["WWW-Authenticate"] = 'Bearer realm="deskbell"'
        return response


def _same(actor: Actor) -> Actor:
    return actor


def _response(answered: Answer) -> Response:
    return Response(as_json(answered.body), status=answered.status, content_type="application/json")


def _body(kind: Any, raw: bytes, max_depth: int) -> Any:
    """The body as its Struct; none at all is an empty object.

    Raises:
        Invalid, TooDeep: It is not what the address takes.
    """
    if kind is None:
        return None
    try:
        value = msgspec.json.decode(raw or b"{}")
        check_depth(value, max_depth)
        return msgspec.convert(value, kind)
    except RecursionError:
        raise TooDeep(max_depth=max_depth) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid(str(error)[:300], where="body") from None


def _query(kind: Any, current: Request) -> Any:
    if kind is None:
        return None
    try:
        return msgspec.convert(dict(current.args.items()), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)[:300], where="query") from None


def register(app: Quart, edge: Edge) -> None:
    """Let dialects answer at their addresses, before v1 looks at them."""
    dialects = Dialects(app, edge)

    @app.before_websocket
    async def speak() -> Response | None:
        current: Websocket = websocket._get_current_object()  # type: ignore[attr-defined]
        return Response() if await dialects.socket(current) else None

    @app.before_request
    async def answer() -> Response | None:
        return await dialects.answer(request._get_current_object())  # type: ignore[attr-defined]
