"""How messages came in, and what filters made of them: written in the commit of what they tell of.

Only what says more than nothing has a row: a message that came by the socket, and that no filter
touched, costs none. With a message's deletion its rows go too, since they may quote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from deskbell.ids import MessageId, TenantId, UserId
from deskbell.model.records import Decision, Trace
from deskbell.store.database import Queries, Transaction

SOCKET = "socket"

COLUMNS = {
    "tenant_id": "uuid",
    "message_id": "uuid",
    "number": "bigint",
    "what": "text",
    "door": "text",
    "decisions": "text",
    "original": "text",
    "actor_id": "uuid",
    "at": "bigint",
}

_decisions = msgspec.json.Decoder(tuple[Decision, ...])


def worth_keeping(trace: Trace) -> bool:
    """Whether a trace says more than its absence."""
    return trace.door != SOCKET or bool(trace.decisions)


def row(
    tenant: TenantId, message: MessageId, what: str, trace: Trace, actor: UserId, at_us: int, number: int = 0
) -> Sequence[object]:
    """A trace as a row, in the order of :data:`COLUMNS`."""
    decisions = msgspec.json.encode(trace.decisions).decode()
    return (tenant, message, number, what, trace.door, decisions, trace.original, actor, at_us)


async def add(
    tx: Transaction, tenant: TenantId, message: MessageId, what: str, trace: Trace, actor: UserId, at_us: int
) -> None:
    """Note one more thing that happened to a message of a locked room."""
    number = await tx.fetchval(
        "SELECT COALESCE(max(number), 0) + 1 FROM traces WHERE tenant_id = $1 AND message_id = $2", tenant, message
    )
    await tx.insert_many("traces", COLUMNS, [row(tenant, message, what, trace, actor, at_us, number)])


@dataclass(frozen=True)
class Kept:
    """One row."""

    number: int
    what: str
    trace: Trace
    actor: UserId | None
    at_us: int


async def of_message(db: Queries, tenant: TenantId, message: MessageId) -> list[Kept]:
    """What was kept of a message, in the order it happened."""
    found = await db.fetch(
        "SELECT number, what, door, decisions, original, actor_id, at FROM traces"
        " WHERE tenant_id = $1 AND message_id = $2 ORDER BY number",
        tenant,
        message,
    )
    return [
        Kept(
            item["number"],
            item["what"],
            Trace(item["door"], _decisions.decode(item["decisions"]), item["original"]),
            item["actor_id"],
            item["at"],
        )
        for item in found
    ]


async def forget(tx: Transaction, tenant: TenantId, message: MessageId) -> None:
    """Drop what was kept of a message."""
    await tx.execute("DELETE FROM traces WHERE tenant_id = $1 AND message_id = $2", tenant, message)
