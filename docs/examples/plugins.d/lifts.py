"""Does the lift run? A kind of message, two addresses, a queue and a job, in one file for the plugins folder.

Sensors in lifts post what they see to an address; each scan is left in a queue, so that none is lost when the desk
is busy, and told in the lift's room as a message of the kind ``lift``. Whoever is signed in may ask for
the last scan of a lift; a job forgets old ones.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from deskbell import (
    Dead,
    Done,
    Forbidden,
    Job,
    MessageKind,
    NotFound,
    PluginContext,
    Queue,
    QueueItem,
    Retry,
    RoomId,
    Route,
    RouteRequest,
    Temporary,
    TenantId,
    UserId,
    hookimpl,
)

__version__ = "1.0"
requires_api = ">=1,<2"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``secret`` signs scans; scans are told in the name of ``speaker``, a user of ``tenant``."""

    secret: str = ""
    tenant: str = ""
    speaker: str = ""
    keep_days: int = 30


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metadata of a message of the kind ``lift``."""

    number: Annotated[str, msgspec.Meta(max_length=32)]
    state: Literal["runs", "stands", "out_of_order"]


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sensor posts."""

    id: str
    room: str
    lift: Lift


class Left(msgspec.Struct, frozen=True):
    """Whether the scan was new."""

    new: bool


class Seen(msgspec.Struct, frozen=True):
    """The last scan of a lift."""

    lift: Lift
    at: datetime


class Lifts:
    """What the plugin's parts share. Nothing is remembered here: other instances answer too, and each ends one day."""

    def __init__(self, settings: Settings, context: PluginContext) -> None:
        self.settings = settings
        self.context = context
        self.tenant = TenantId(settings.tenant)

    async def scanned(self, request: RouteRequest) -> Left:
        signature = hmac.new(self.settings.secret.encode(), request.raw, "sha256").hexdigest()
        if not self.settings.secret or not hmac.compare_digest(signature, request.headers.get("x-signature", "")):
            raise Forbidden("The scan is not signed.")
        scan: Scan = request.body
        work = msgspec.to_builtins(scan)
        # `once`: a sensor that gets no answer posts the same scan again.
        new = await self.context.enqueue("scans", self.tenant, work, key=scan.room, once=scan.id)
        return Left(new)

    async def tell(self, item: QueueItem) -> Done | Retry | Dead:
        scan = msgspec.convert(item.payload, Scan)
        await self.context.kept.put(item.tenant, f"lift/{scan.lift.number}", Seen(scan.lift, item.created_at))
        speaker = self.context.desk.acting_as(item.tenant, UserId(self.settings.speaker))
        try:
            await speaker.send(
                RoomId(scan.room),
                f"Lift {scan.lift.number}: {scan.lift.state}",
                kind="lift",
                metadata=msgspec.to_builtins(scan.lift),
                client_id=item.stable_key,
            )
        except NotFound:
            return Dead("there is no such room, or the speaker is not in it")
        except Temporary as error:
            return Retry(str(error))
        return Done()

    async def last(self, request: RouteRequest) -> Seen:
        found = await self.context.kept.get(self.tenant, f"lift/{request.path['number']}")
        if found is None:
            raise NotFound()
        return msgspec.convert(found, Seen)

    async def forget(self, now: datetime) -> None:
        before = now - timedelta(days=self.settings.keep_days)
        for name, value in await self.context.kept.list(self.tenant, "lift/", limit=1000):
            if msgspec.convert(value, Seen).at < before:
                await self.context.kept.drop(self.tenant, name)


@hookimpl
def register_message_kinds() -> Sequence[MessageKind]:
    return [MessageKind(name="lift", metadata=Lift)]


@hookimpl
def register_routes(settings: Settings, context: PluginContext) -> Sequence[Route]:
    lifts = Lifts(settings, context)
    return [
        Route(
            name="scan",
            method="POST",
            path="/scans",
            handler=lifts.scanned,
            body=Scan,
            answers=Left,
            who="anybody",
            summary="A sensor saw a lift.",
        ),
        Route(
            name="last_scan",
            method="GET",
            path="/lifts/<number>",
            handler=lifts.last,
            answers=Seen,
            summary="Where a lift was seen last.",
        ),
    ]


@hookimpl
def register_queues(settings: Settings, context: PluginContext) -> Sequence[Queue]:
    return [Queue(name="scans", handler=Lifts(settings, context).tell, max_attempts=10)]


@hookimpl
def register_jobs(settings: Any, context: PluginContext) -> Sequence[Job]:
    return [Job(name="forget", cron="30 3 * * *", handler=Lifts(settings, context).forget)]
