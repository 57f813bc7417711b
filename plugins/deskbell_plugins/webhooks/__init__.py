"""Webhooks: what happens at the desk is told to other programs, signed after Standard Webhooks.

Admins keep the endpoints, under ``/api/v1/plugins/webhooks/``. Each event that an endpoint asked for is one piece
of work in the queue ``deliveries``: kept through restarts, sent at least once under the same ``webhook-id``, tried
again with growing pauses, and put aside for an admin to replay when it will not go. The body says what is true
when it is sent; nothing of a message waits in the queue. Private notes go only where an endpoint asks for them by
name.

An endpoint that answers 410 is switched off. Addresses are an admin's word and are not believed: a name is looked
up once, every address it has must be public (or allowed by the operator), and the one that was checked is the one
connected to. Redirects are not followed.

See :mod:`.endpoints` for who is told, :mod:`.delivery` for what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from deskbell import Case, Message, Participant, PluginContext, Queue, RoomId, Route, TenantId, hookimpl
from deskbell_plugins.webhooks.delivery import Sender
from deskbell_plugins.webhooks.endpoints import QUEUE, Endpoints
from deskbell_plugins.webhooks.routes import routes
from deskbell_plugins.webhooks.settings import Settings

__all__ = ["Settings"]


@hookimpl
def register_queues(settings: Settings, context: PluginContext) -> Sequence[Queue]:
    return [
        Queue(
            name=QUEUE,
            handler=Sender(Endpoints(context)).deliver,
            max_attempts=settings.max_attempts,
            backoff_base_s=settings.backoff_base_s,
            backoff_cap_s=settings.backoff_cap_s,
            deadline_s=settings.timeout_s + 5,
            at_once=settings.at_once,
            at_once_per_key=2,  # an endpoint that does not answer must not hold up the others
        )
    ]


@hookimpl
def register_routes(context: PluginContext) -> Sequence[Route]:
    return routes(Endpoints(context))


@hookimpl
async def on_message(tenant: TenantId, room: RoomId, what: str, message: Message, context: PluginContext) -> None:
    cause = f"{message.id}:{message.changed_seq}"
    await Endpoints(context).tell(tenant, f"message.{what}", message, room, cause)


@hookimpl
async def on_note(tenant: TenantId, room: RoomId, what: str, note: Message, context: PluginContext) -> None:
    cause = f"{note.id}:{note.changed_seq}"
    await Endpoints(context).tell(tenant, f"note.{what}", note, room, cause)


@hookimpl
async def on_participant(
    tenant: TenantId, room: RoomId, what: str, participant: Participant, context: PluginContext
) -> None:
    cause = f"{room}:{participant.user.id}:{participant.changed_seq}"
    await Endpoints(context).tell(tenant, f"participant.{what}", participant, room, cause)


@hookimpl
async def on_case(tenant: TenantId, room: RoomId, what: str, case: Case, context: PluginContext) -> None:
    await Endpoints(context).tell(tenant, f"case.{what}", case, room, f"{case.id}:{case.version}")
