"""Drafts: what somebody has begun to write in a room, kept so that it follows them from one device to another.

A draft is its author's alone. They have one reply and, in support conversations, agents have one private note
for each room; the last writing wins. Their other sockets are told of it, gathered for a moment while they write;
what was not told is in the list. A draft ends with the message it becomes, by its author's word, or with the
room's text. What the room looked like when it was begun (``seq``, ``owner_version``) is kept with it and is the
client's to use, as ``expect`` of the send.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from deskbell.actions import access
from deskbell.actions.content import checked_text
from deskbell.clock import from_us
from deskbell.errors import Forbidden, LimitReached, NotFound, RoomClosed, Unavailable
from deskbell.ids import MessageId, RoomId, TenantId, UserId
from deskbell.model.records import Actor, DraftKind, SavedDraft
from deskbell.ports import Ports
from deskbell.store import drafts
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

KINDS: tuple[DraftKind, ...] = ("reply", "note")
MAX_DRAFTS = 500
TOLD_AFTER_S = 0.3


async def save(
    ports: Ports,
    actor: Actor,
    room_id: RoomId,
    text: str,
    *,
    kind: DraftKind = "reply",
    seq: int | None = None,
    owner_version: int | None = None,
    connection: str = "",
) -> SavedDraft:
    """Keep what somebody is writing. ``connection``: the socket of the page they write in, which need not be told.

    Raises:
        NotFound: They do not see the room.
        Forbidden: A note, and they write none here.
        TooLarge, Invalid: It could never become a message: too long, or empty.
        RoomClosed: The room's text was erased, and nothing new is kept of it.
        LimitReached: They have 500 others.
        RateLimited: Save less often.
    """
    place = await access.room_for(ports, actor, room_id)
    if kind == "note" and not (actor.is_staff and place.policy.owned and place.room.backstage_of is None):
        raise Forbidden("Notes are written by agents, in support conversations.")
    checked_text(ports, text, what="draft", max_bytes=ports.settings.limits.text_bytes, empty=False)
    ports.limits.spend("draft", actor.id, per_min=120, burst=30)
    # As coarse as the moment of a message: what was saved before a send is not younger than it.
    now_us = await ports.journal.now_us() // 1000 * 1000
    draft = SavedDraft(room_id, kind, text, from_us(now_us), seq, owner_version)
    try:
        async with ports.db.transaction() as tx:
            if await drafts.erased(tx, actor.tenant, room_id):
                raise RoomClosed()
            if await drafts.others(tx, actor.tenant, actor.id, room_id, kind) >= MAX_DRAFTS:
                raise LimitReached(f"One person may have {MAX_DRAFTS} drafts. Drop some.", max=MAX_DRAFTS)
            await drafts.put(tx, actor.tenant, actor.id, draft, connection, now_us)
    except StoreError as error:
        raise Unavailable() from error
    ports.tasks.once(
        f"draft:{actor.tenant}:{actor.id}:{room_id}:{kind}", _tell_settled(ports, actor.tenant, actor.id, room_id, kind)
    )
    return draft


async def find(ports: Ports, actor: Actor, room_id: RoomId, kind: DraftKind = "reply") -> SavedDraft:
    """One's own draft.

    Raises:
        NotFound: There is none, or they do not see the room (any more).
    """
    await access.room_for(ports, actor, room_id)
    found = await drafts.get(ports.db, actor.tenant, actor.id, room_id, kind)
    if found is None:
        raise NotFound()
    return found[0]


async def listed(
    ports: Ports, actor: Actor, *, limit: int = 50, before: tuple[int, RoomId, str] | None = None
) -> list[tuple[SavedDraft, int]]:
    """All of one's own, the latest first, each with the moment a list goes on from."""
    return await drafts.listed(ports.db, actor.tenant, actor.id, limit, before)


async def drop(
    ports: Ports, actor: Actor, room_id: RoomId, kinds: Sequence[DraftKind] = KINDS, *, connection: str = ""
) -> None:
    """Forget one's own drafts of a room, also of one that one does not see any more. Dropping none is fine."""
    gone = await drafts.drop(ports.db, actor.tenant, actor.id, room_id, kinds)
    await _tell_dropped(ports, actor.tenant, actor.id, [(room_id, kind) for kind in gone], connection)


async def sent(ports: Ports, actor: Actor, message_id: MessageId, connection: str = "") -> None:
    """A message that was written as a draft is stored, or held: the draft is over.

    Asked again for the same message it does the same, and never takes what was written since. The message is
    stored whatever happens here, so nothing is raised: a draft left behind is dropped when the send is repeated.
    """
    try:
        gone = await drafts.drop_sent(ports.db, actor.tenant, actor.id, message_id)
        await _tell_dropped(ports, actor.tenant, actor.id, gone, connection)
    except StoreError as error:
        log.warning("draft_not_dropped", user=actor.id, error=str(error))


async def _tell_settled(ports: Ports, tenant: TenantId, user: UserId, room: RoomId, kind: DraftKind) -> None:
    await ports.clock.sleep(TOLD_AFTER_S)
    # A task of its own: what is written from here on is told by the next one.
    ports.tasks.start(_tell(ports, tenant, user, room, kind), "draft told")


async def _tell(ports: Ports, tenant: TenantId, user: UserId, room: RoomId, kind: DraftKind) -> None:
    try:
        found = await drafts.get(ports.db, tenant, user, room, kind)
    except StoreError as error:
        log.warning("draft_not_told", user=user, error=str(error))
        return
    if found is not None:  # else it is over, and that was told at once
        draft, connection = found
        frame = frames.DraftFrame(room=room, kind=draft.kind, changed_at=draft.changed_at, draft=draft)
        ports.bus.publish([_event(tenant, user, frame, connection)])


async def _tell_dropped(
    ports: Ports, tenant: TenantId, user: UserId, gone: Iterable[tuple[RoomId, DraftKind]], connection: str
) -> None:
    dropped = list(gone)
    if not dropped:
        return
    now = from_us(await ports.journal.now_us())
    ports.bus.publish(
        [
            _event(tenant, user, frames.DraftFrame(room=room, kind=kind, changed_at=now, draft=None), connection)
            for room, kind in dropped
        ]
    )


def _event(tenant: TenantId, user: UserId, frame: frames.DraftFrame, connection: str) -> Event:
    return Event(tenant, "user", user, "draft", 0, frames.encode(frame), sender=connection)
