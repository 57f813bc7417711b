"""What admins reach under ``/api/v1/plugins/webhooks``."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
from ssrfguard import BlockedAddressError, BlockedURLError

from deskbell import Conflict, Invalid, NotFound, Route, RouteRequest
from deskbell_plugins.webhooks.endpoints import (
    KINDS,
    Delivery,
    Endpoint,
    Endpoints,
    name_at,
    policy_of,
)
from deskbell_plugins.webhooks.settings import Settings

OVERLAP = timedelta(hours=24)
"""How long the secret before still signs after a change, so that nobody has to change both ends at once."""


class Shown(msgspec.Struct, kw_only=True):
    """An endpoint as admins see it. ``secret`` is there only in the answer that made it."""

    id: str
    url: str
    events: list[str]
    description: str
    disabled: str
    created_at: datetime
    secret: str | None = None


class NewEndpoint(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    url: str
    events: list[str]
    description: str = ""


class ChangedEndpoint(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is given is changed. ``enabled: true`` also takes an endpoint back that was switched off by its 410."""

    url: str | None = None
    events: list[str] | None = None
    description: str | None = None
    enabled: bool | None = None


class EndpointList(msgspec.Struct, kw_only=True):
    endpoints: list[Shown]


class DeliveryList(msgspec.Struct, kw_only=True):
    """Newest first. ``before``: give it in the query to see older ones; None: there are none."""

    deliveries: list[Delivery]
    before: str | None


class Page(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    before: str | None = None
    limit: int = 50


class Queued(msgspec.Struct, kw_only=True):
    queued: bool


class Gone(msgspec.Struct, kw_only=True):
    deleted: bool


def routes(endpoints: Endpoints) -> Sequence[Route]:
    """The plugin's routes; all are for admins."""
    return _Routes(endpoints).all()


class _Routes:
    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def all(self) -> Sequence[Route]:
        """The routes."""
        one = "/endpoints/<endpoint>"
        return [
            Route(name="list", method="GET", path="/endpoints", handler=self._list, answers=EndpointList, who="admin",
                  summary="The endpoints of this tenant."),
            Route(name="create", method="POST", path="/endpoints", handler=self._create, answers=Shown, who="admin",
                  body=NewEndpoint, summary="Tell another address; the answer holds its secret, this once."),
            Route(name="change", method="PATCH", path=one, handler=self._change, answers=Shown, who="admin",
                  body=ChangedEndpoint, summary="Change an endpoint, or switch it on or off."),
            Route(name="delete", method="DELETE", path=one, handler=self._delete, answers=Gone, who="admin",
                  summary="Tell an endpoint nothing more, and forget its log."),
            Route(name="rotate", method="POST", path=f"{one}/rotate", handler=self._rotate, answers=Shown, who="admin",
                  summary="A new secret; the one before signs too for another 24 hours."),
            Route(name="test", method="POST", path=f"{one}/test", handler=self._test, answers=Queued, who="admin",
                  summary="Send the event webhook.test."),
            Route(name="deliveries", method="GET", path=f"{one}/deliveries", handler=self._deliveries, who="admin",
                  answers=DeliveryList, query=Page, summary="What became of each attempt, newest first."),
        ]  # fmt: skip

    async def _list(self, request: RouteRequest) -> EndpointList:
        found = await self._endpoints.all(request.actor.tenant)
        return EndpointList(endpoints=[_shown(endpoint) for endpoint in found])

    async def _create(self, request: RouteRequest) -> Shown:
        tenant, asked = request.actor.tenant, request.body
        if len(await self._endpoints.all(tenant)) >= request.settings.max_endpoints:
            raise Conflict(
                f"There are {request.settings.max_endpoints} endpoints already.", max=request.settings.max_endpoints
            )
        now = datetime.now(UTC)
        endpoint = Endpoint(
            id=name_at(now),
            url=_checked_url(asked.url, request.settings),
            events=_checked_events(asked.events),
            secret=_new_secret(),
            description=_checked_description(asked.description),
            created_at=now,
        )
        await self._endpoints.put(tenant, endpoint)
        return _shown(endpoint, secret=endpoint.secret)

    async def _change(self, request: RouteRequest) -> Shown:
        endpoint, asked = await self._asked_for(request), request.body
        if asked.url is not None:
            endpoint.url = _checked_url(asked.url, request.settings)
        if asked.events is not None:
            endpoint.events = _checked_events(asked.events)
        if asked.description is not None:
            endpoint.description = _checked_description(asked.description)
        if asked.enabled is not None:
            endpoint.disabled = "" if asked.enabled else "switched off by an admin"
        await self._endpoints.put(request.actor.tenant, endpoint)
        return _shown(endpoint)

    async def _delete(self, request: RouteRequest) -> Gone:
        endpoint, tenant = await self._asked_for(request), request.actor.tenant
        return Gone(deleted=await self._endpoints.drop(tenant, endpoint))

    async def _rotate(self, request: RouteRequest) -> Shown:
        endpoint = await self._asked_for(request)
        endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, datetime.now(UTC) + OVERLAP
        endpoint.secret = _new_secret()
        await self._endpoints.put(request.actor.tenant, endpoint)
        return _shown(endpoint, secret=endpoint.secret)

    async def _test(self, request: RouteRequest) -> Queued:
        endpoint = await self._asked_for(request)
        return Queued(queued=await self._endpoints.test(request.actor.tenant, endpoint))

    async def _deliveries(self, request: RouteRequest) -> DeliveryList:
        endpoint, page = await self._asked_for(request), request.query
        limit = max(1, min(page.limit, 100))
        found, before = await self._endpoints.deliveries(request.actor.tenant, endpoint, limit, page.before)
        return DeliveryList(deliveries=found, before=before)

    async def _asked_for(self, request: RouteRequest) -> Endpoint:
        name = request.path["endpoint"]
        endpoint = await self._endpoints.get(request.actor.tenant, name) if name.isalnum() and len(name) <= 40 else None
        if endpoint is None:
            raise NotFound("There is no such endpoint.")
        return endpoint


def _shown(endpoint: Endpoint, *, secret: str | None = None) -> Shown:
    return Shown(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        description=endpoint.description,
        disabled=endpoint.disabled,
        created_at=endpoint.created_at,
        secret=secret,
    )


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _checked_url(url: str, settings: Settings) -> str:
    try:
        policy_of(settings).check_url(url)
    except (BlockedURLError, BlockedAddressError) as error:
        raise Invalid(f"This address is not told anything: {error.reason}", path="url") from None
    try:
        _ = httpx.URL(url).host  # read when it is sent, and not every name that looks like one can be
    except (httpx.InvalidURL, UnicodeError):
        raise Invalid("This address is not told anything: it cannot be read", path="url") from None
    return url


def _checked_events(events: Sequence[str]) -> list[str]:
    if not events or len(events) > 50:
        raise Invalid("Name 1 to 50 events.", path="events")
    for event in events:
        kind, dot, what = event.partition(".")
        known = event == "*" or (kind in KINDS and dot and (what == "*" or (what.replace("_", "").isalpha())))
        if not known or len(event) > 60:
            names = ", ".join(f"{kind}.*" for kind in KINDS)
            raise Invalid(f"{event[:60]!r} is no event: name *, {names}, or one like message.created.", path="events")
    return list(dict.fromkeys(events))


def _checked_description(text: str) -> str:
    if len(text) > 500:
        raise Invalid("A description has at most 500 characters.", path="description")
    return text
