"""Who is told of what: the endpoints of each tenant, and what became of each delivery.

An endpoint is kept under ``endpoint/<id>``, what became of each attempt under ``log/<endpoint>/<id>``. Secrets are
stored as they are, since they sign; they are shown once, to the admin who made them.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
from ssrfguard import Policy

from deskbell import (
    Case,
    Message,
    Participant,
    PluginContext,
    RoomId,
    TenantId,
)
from deskbell_plugins.webhooks.settings import Settings

QUEUE = "deliveries"
TEST_EVENT = "webhook.test"
KINDS = ("message", "note", "participant", "case")


class Endpoint(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One address. ``events``: ``message.created``, ``case.*``, …; ``disabled``: why it is off, empty when it is on."""

    id: str
    url: str
    events: list[str]
    secret: str
    description: str = ""
    disabled: str = ""
    created_at: datetime
    old_secret: str = ""
    old_secret_until: datetime | None = None

    def __repr__(self) -> str:
        """Without its secrets, which a log would keep."""
        return f"<Endpoint {self.id} {self.url}>"

    def wants(self, event: str) -> bool:
        """Whether it asked for this event. Notes are asked for by name: ``*`` does not mean them."""
        kind = event.partition(".")[0]
        return event in self.events or f"{kind}.*" in self.events or ("*" in self.events and kind != "note")


class Delivery(msgspec.Struct, kw_only=True):
    """What became of one attempt. ``webhook_id`` is the same in all attempts of a delivery."""

    at: datetime
    webhook_id: str
    event: str
    attempt: int
    ok: bool
    status: int | None = None
    error: str = ""
    duration_ms: int = 0


def policy_of(settings: Settings) -> Policy:
    """Which addresses may be told."""
    return Policy(
        allowed_schemes=frozenset({"https", "http"} if settings.allow_http else {"https"}),
        allowed_ports=frozenset(settings.ports),
        allowed_networks=settings.allowed_networks,  # type: ignore[arg-type]  # it takes their texts
        max_redirects=0,
    )


class Endpoints:
    """The endpoints of all tenants, in what the plugin keeps."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context

    async def tell(
        self, tenant: TenantId, event: str, record: Message | Participant | Case, room: RoomId, cause: str
    ) -> None:
        """Leave a delivery for every endpoint that asked; of the same cause only once."""
        for endpoint in await self.all(tenant):
            if not endpoint.disabled and endpoint.wants(event):
                await self.context.enqueue(
                    QUEUE,
                    tenant,
                    {"endpoint": endpoint.id, "event": event},
                    key=endpoint.id,
                    about=record,
                    room=room,
                    once=f"{endpoint.id}:{event}:{cause}",
                )

    async def test(self, tenant: TenantId, endpoint: Endpoint) -> bool:
        """Leave a delivery that is about nothing."""
        payload = {"endpoint": endpoint.id, "event": TEST_EVENT}
        return await self.context.enqueue(QUEUE, tenant, payload, key=endpoint.id)

    async def all(self, tenant: TenantId) -> list[Endpoint]:
        """Every endpoint of a tenant, newest first."""
        found = await self.context.kept.list(tenant, "endpoint/", limit=1000)
        return [msgspec.convert(value, Endpoint) for _, value in found]

    async def get(self, tenant: TenantId, endpoint_id: str) -> Endpoint | None:
        value = await self.context.kept.get(tenant, f"endpoint/{endpoint_id}")
        return None if value is None else msgspec.convert(value, Endpoint)

    async def put(self, tenant: TenantId, endpoint: Endpoint) -> None:
        await self.context.kept.put(tenant, f"endpoint/{endpoint.id}", endpoint)

    async def switch_off(self, tenant: TenantId, endpoint_id: str, why: str) -> None:
        """Tell it nothing more until an admin takes it back. One that was deleted meanwhile stays so."""
        endpoint = await self.get(tenant, endpoint_id)
        if endpoint is not None:
            endpoint.disabled = why
            await self.put(tenant, endpoint)

    async def drop(self, tenant: TenantId, endpoint: Endpoint) -> bool:
        """Forget an endpoint and its log."""
        dropped = await self.context.kept.drop(tenant, f"endpoint/{endpoint.id}")
        await self.context.kept.drop_all(tenant, f"log/{endpoint.id}/")
        return dropped

    async def deliveries(
        self, tenant: TenantId, endpoint: Endpoint, limit: int, before: str | None
    ) -> tuple[list[Delivery], str | None]:
        """What became of attempts, newest first, and the name to go on from; None: these are the oldest."""
        log = f"log/{endpoint.id}/"
        await self._forget(tenant, log, datetime.now(UTC))
        from_here = None if before is None else f"{log}{before}"
        found = await self.context.kept.list(tenant, log, limit=limit, before=from_here)
        older = found[-1][0].removeprefix(log) if len(found) == limit else None
        return [msgspec.convert(value, Delivery) for _, value in found], older

    async def note(self, tenant: TenantId, endpoint: Endpoint, delivery: Delivery) -> None:
        """Log an attempt, and forget those that are too old."""
        log = f"log/{endpoint.id}/"
        await self.context.kept.put(tenant, f"{log}{name_at(delivery.at)}", delivery)
        if secrets.randbelow(50) == 0:  # now and then is enough: whoever looks forgets what is too old first
            await self._forget(tenant, log, delivery.at)

    async def _forget(self, tenant: TenantId, log: str, now: datetime) -> None:
        days = self.context.settings_for(tenant).log_days
        await self.context.kept.drop_all(tenant, log, below=f"{log}{name_at(now - timedelta(days=days), chance=False)}")


def name_at(at: datetime, *, chance: bool = True) -> str:
    """A name that is in order of time: microseconds in hex, and chance."""
    return f"{int(at.timestamp() * 1_000_000):014x}" + (uuid.uuid4().hex[:8] if chance else "")
