"""What a route promises, said once: who may ask, what it takes, what it answers, what it refuses.

:class:`Routes` mounts the routes of one noun. Around each it does what all have in common: finds out
who asks, reads and checks the query and the body, calls the handler, writes the answer or the refusal.
From the same words the OpenAPI document is made, so that it cannot say anything else than what happens.

A change that was begun is seen through, also when its client hangs up meanwhile. Rules are not here:
a handler calls one action.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec
from quart import Blueprint, Response, g, request

from deskbell.errors import (
    DeskbellError,
    Invalid,
    NotFound,
    PreconditionFailed,
    Revoked,
    TokenExpired,
    TooDeep,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from deskbell.ids import is_id
from deskbell.model.records import Actor
from deskbell.server.auth import actor_of, address_of, known_actor_of, origin_of
from deskbell.server.edge import Edge
from deskbell.server.rest import conditions, errors
from deskbell.server.rest.errors import Malformed, UnsupportedMediaType
from deskbell.wire.commands import check_depth, half_a_character

PREFIX = "/api/v1"
PROMISE = "_deskbell_promise"
ID = "_id"
"""A path parameter whose name ends so is an id; what is none exists nowhere."""

Who = Literal["user", "maybe", "nobody"]
Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Any]])


@dataclass(frozen=True)
class Promise:
    """One route. ``answers`` maps statuses to types, the usual one first; ``who``: must they be known?"""

    method: str
    path: str
    noun: str
    summary: str
    description: str
    answers: Mapping[int, Any]
    body: Any = None
    query: Any = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refuses: Sequence[type[DeskbellError]] = ()
    who: Who = "user"
    media: str = "application/json"
    keep_s: int | None = None
    """For how long anybody may keep the answer; None: it is somebody's own, and nobody may."""
    raw: bool = False
    """Whether the handler is given the body as it came, and all headers."""

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return re.findall(r"<(?:[^:>]+:)?(\w+)>", self.path)

    @property
    def is_tagged(self) -> bool:
        """Whether its answers are told apart by ``ETag``, so that a client need not be sent one it has."""
        readable = self.who == "user" or self.keep_s is not None
        return self.method == "GET" and readable and self.media == "application/json"

    def refusals(self) -> list[type[DeskbellError]]:
        """Everything it may answer instead: what it says itself, and what follows from what it takes."""
        found: list[type[DeskbellError]] = list(self.refuses)
        if self.who == "user":
            found += [Unauthenticated, TokenExpired, Revoked]
        if any(name.endswith(ID) for name in self.parameters):
            found.append(NotFound)
        if self.body is not None:
            found += [Malformed, TooLarge, UnsupportedMediaType, Invalid]
        if self.query is not None or self.headers.keys() - {conditions.IF_MATCH}:
            found.append(Invalid)
        if conditions.IF_MATCH in self.headers:
            found.append(PreconditionFailed)
        found += [DeskbellError, Unavailable]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Ask:
    """A request that was understood. ``address``: where it came from; ``origin``: the page it came from."""

    who: Actor | None
    body: Any
    query: Any
    address: str
    origin: str | None
    headers: Mapping[str, str]
    raw: bytes = b""

    @property
    def expected_version(self) -> int | None:
        """Which version of a record the client means to change; None: whichever there is.

        Raises:
            PreconditionFailed: A version there never was.
        """
        return conditions.expected_version(self.headers.get(conditions.IF_MATCH))

    @property
    def actor(self) -> Actor:
        """Who asks.

        Raises:
            Unauthenticated: Nobody said.
        """
        if self.who is None:
            raise Unauthenticated()
        return self.who


class Routes:
    """The routes of one noun, to be mounted as ``blueprint``."""

    def __init__(self, noun: str, edge: Edge) -> None:
        self.noun = noun
        self.blueprint = Blueprint(noun, __name__, url_prefix=PREFIX)
        self._edge = edge

    def get(self, path: str, answers: Any, **promised: Any) -> Callable[[Handler], Handler]:
        return self._route("GET", path, answers, promised)

    def post(self, path: str, answers: Any, **promised: Any) -> Callable[[Handler], Handler]:
        return self._route("POST", path, answers, promised)

    def put(self, path: str, answers: Any, **promised: Any) -> Callable[[Handler], Handler]:
        return self._route("PUT", path, answers, promised)

    def patch(self, path: str, answers: Any, **promised: Any) -> Callable[[Handler], Handler]:
        return self._route("PATCH", path, answers, promised)

    def delete(self, path: str, answers: Any, **promised: Any) -> Callable[[Handler], Handler]:
        return self._route("DELETE", path, answers, promised)

    def _route(self, method: str, path: str, answers: Any, promised: dict[str, Any]) -> Callable[[Handler], Handler]:
        def mount(handler: Handler) -> Handler:
            summary, _, description = (handler.__doc__ or "").strip().partition("\n")
            promise = Promise(
                method=method,
                path=path,
                noun=self.noun,
                summary=summary,
                description="\n".join(line.strip() for line in description.strip().splitlines()),
                answers=answers if isinstance(answers, dict) else {200: answers},
                **promised,
            )
            view = self.view(promise, handler)
            setattr(view, PROMISE, promise)
            self.blueprint.add_url_rule(path, handler.__name__, view, methods=[method])
            return handler

        return mount

    def view(self, promise: Promise, handler: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
        """What answers a request to this route."""
        usual = next(iter(promise.answers))

        async def view(**path: str) -> Response:
            try:
                ask = await self._understood(promise, path)
                if promise.method == "GET":
                    result = await handler(ask, **path)
                else:
                    result = await self._seen_through(handler(ask, **path))
            except Exception as error:
                return errors.answer(errors.of_exception(error, f"{promise.method} {promise.path}"))
            status, value = result if isinstance(result, tuple) else (usual, result)
            body = value if isinstance(value, bytes) else msgspec.json.encode(value)
            response = Response(body, status=status, content_type=promise.media)
            if promise.is_tagged or conditions.version_of(value) is not None:
                tag = conditions.tag_of(value, body)
                if promise.is_tagged and conditions.is_known(request.headers.get(conditions.IF_NONE_MATCH), tag):
                    response = Response(b"", status=304)
                response.set_etag(tag)
            if promise.keep_s is not None:
                response.headers["Cache-Control"] = f"public, max-age={promise.keep_s}"
            return response

        return view

    async def _understood(self, promise: Promise, path: Mapping[str, str]) -> Ask:
        """Who asks for what; who must be known is told nothing else before that."""
        who: Actor | None = None
        if promise.who == "user":
            who = await actor_of(self._edge, request)
        elif promise.who == "maybe":
            who = await known_actor_of(self._edge, request)
        g.tenant = None if who is None else who.tenant
        for name, value in path.items():
            if name.endswith(ID) and not is_id(value):
                raise NotFound()
        query = _query(promise.query)
        body = None
        if promise.body is not None:
            body = await _body(promise.body, self._edge.ports.settings.limits.json_depth)
        headers = {name: request.headers[name] for name in promise.headers if name in request.headers}
        raw = b""
        if promise.raw:
            raw = await request.body
            headers = {name.lower(): value for name, value in request.headers.items()}
        return Ask(who, body, query, address_of(request), origin_of(request), headers, raw)

    async def _seen_through(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end what changes something, whether or not its client still waits for the answer."""
        running = self._edge.ports.tasks.start(_outcome(work), "request")
        if running is None:
            work.close()
            raise Unavailable("This instance is stopping. Ask again.")
        outcome = await asyncio.shield(running)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def _outcome(work: Awaitable[Any]) -> Any:
    """What came of it, or the exception: nobody may be there any more to raise it to."""
    try:
        return await work
    except Exception as error:
        return error


def _query(kind: Any) -> Any:
    """The query, checked.

    Raises:
        Invalid: Something unknown, repeated, missing or not of its type; ``details`` name it.
    """
    given: dict[str, str] = {}
    for name in request.args:
        values = request.args.getlist(name)
        if len(values) > 1:
            raise Invalid(f"{name[:40]} is given more than once.", path=name[:40], where="query")
        if "\x00" in name or "\x00" in values[0]:
            raise Invalid("A NUL character is nowhere allowed.", path=name[:40], where="query")
        given[name] = values[0]
    if kind is None:
        kind = _Nothing
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(error, "query") from None


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a route that takes none."""


async def _body(kind: Any, max_depth: int) -> Any:
    """The body, checked. None at all is an empty object.

    Raises:
        UnsupportedMediaType, Malformed, TooLarge: It is no JSON, or too much.
        Invalid, TooDeep: It is not what the route takes; ``details`` name the path.
    """
    raw = await request.body
    if not raw:
        raw = b"{}"
    elif not _is_json(raw) or request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType()
    try:
        _refuse_unfit(raw, max_depth)
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.ValidationError as error:
            if "got `float`" not in str(error):
                raise
            # 2.0 is an integer to JSON Schema, and to languages that know one kind of number.
            return msgspec.convert(_with_whole_numbers(msgspec.json.decode(raw)), kind)
    except msgspec.ValidationError as error:
        raise _explained(error, "body") from None
    except RecursionError:
        raise TooDeep(max_depth=max_depth) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(half_a_character(raw) or f"The body is not JSON in UTF-8: {error}") from None


def _is_json(raw: bytes) -> bool:
    """By its type; or by its look, where the type is the one that ``curl -d`` gives to whatever it sends."""
    if request.mimetype == "application/x-www-form-urlencoded":
        return raw.lstrip()[:1] == b"{"
    return request.mimetype == "application/json"


def _refuse_unfit(raw: bytes, max_depth: int) -> None:
    """Refuse NUL characters, which no store keeps, and deep nesting; most bodies cannot hold either."""
    may_hold_nul = b"\\u0000" in raw
    if not may_hold_nul and raw.count(b"{") + raw.count(b"[") <= max_depth:
        return
    value = msgspec.json.decode(raw)
    check_depth(value, max_depth)
    if may_hold_nul and _holds_nul(value):
        raise Invalid("A NUL character is nowhere allowed.", where="body")


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return True
        elif isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


_AT = re.compile(r" - at `(.+)`\Z")
_FIELD = re.compile(r"(?:unknown field|missing required field) `(.*?)`(?: - at `|\Z)")


def _explained(error: msgspec.ValidationError, where: str) -> Invalid:
    """A failed check, with the path of what failed it."""
    text = str(error)
    at = _AT.search(text)
    path = at[1] if at else "$"
    if named := _FIELD.search(text):
        path = f"{path}.{named[1]}"
    return Invalid(text[:300], path=path.removeprefix("$.")[:200], where=where)
