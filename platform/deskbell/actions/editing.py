"""Changing what was said: a new text, or none; and the texts there were before.

An edit keeps the old text as a revision, for its author and those who watch over the room. A deletion keeps
nothing: not the text, not its revisions, not what was derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from deskbell.actions import access, packets
from deskbell.actions.access import Need, Place
from deskbell.actions.content import checked_text
from deskbell.actions.messages import blocked, spend
from deskbell.clock import from_us, to_us
from deskbell.contracts import Submission
from deskbell.errors import (
    CHANGED_MEANWHILE,
    Forbidden,
    MessageDeleted,
    Muted,
    NotFound,
    PreconditionFailed,
    RoomClosed,
    WindowOver,
)
from deskbell.ids import MessageId, UserId
from deskbell.model.policy import AuditLevel, within_window
from deskbell.model.records import Actor, Message, Trace
from deskbell.model.text import normalise
from deskbell.ports import Ports
from deskbell.store import messages, traces


async def edit(
    ports: Ports,
    actor: Actor,
    message_id: MessageId,
    content: str,
    *,
    expect_changed_seq: int | None = None,
    door: str = traces.SOCKET,
) -> Message:
    """Give a message a new text; the old one is kept as a revision.

    ``expect_changed_seq``: only if the message is still the one with this ``changed_seq``.

    Raises:
        PreconditionFailed: It is not.
        NotFound, Forbidden: See :mod:`deskbell.actions.access`; only authors and admins of the room edit.
        WindowOver: The author's window has closed.
        MessageDeleted, RoomClosed, Blocked: It cannot be changed any more; the new text is not allowed.
    """
    found, place = await access.message_for(ports, actor, message_id)
    content = checked_text(ports, content, what="content", empty=False)
    spend(ports, actor, "message", place.policy)
    trace = Trace(door)
    if ports.plugins.filters:
        verdict = await ports.plugins.moderate(
            Submission(found.room, place.room.channel_type, actor, found.kind, content, normalise(content))
        )
        if verdict.verdict != "allow":
            raise blocked(verdict)
        trace = Trace(door, verdict.decisions, verdict.original)
        content = verdict.text
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room, Need.TAKE_PART)
        message = await change.message(message_id)
        if message is None:
            raise NotFound()
        always = place.policy.is_admin(place.role)
        _may_change(place, actor, message, change.now_us, "edit_window_s", always, expect_changed_seq)
        if message.content == content:
            return message
        number = await change.tx.fetchval(
            "SELECT count(*) FROM revisions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        await change.tx.execute(
            "INSERT INTO revisions (tenant_id, message_id, number, content, edited_by, edited_at)"
            " VALUES ($1,$2,$3,$4,$5,$6)",
            actor.tenant,
            message_id,
            number + 1,
            message.content,
            actor.id,
            change.now_us,
        )
        if traces.worth_keeping(trace):
            await traces.add(change.tx, actor.tenant, message_id, "edited", trace, actor.id, change.now_us)
        level: AuditLevel = "full" if message.sender.id == actor.id else "moderation"
        change.audit(place.policy, actor.id, "message_edited", message.room, message_id, level=level)
        changed = replace(message, content=content, edited_at=change.now)
        return await change.put_message(changed, what="edited")


async def delete(
    ports: Ports, actor: Actor, message_id: MessageId, *, expect_changed_seq: int | None = None
) -> Message:
    """Take a message back: what remains is that there was one. Deleting again changes nothing.

    Its text, its earlier texts and its reactions are gone from the store with the commit.

    Raises:
        NotFound, Forbidden, WindowOver, PreconditionFailed: See :func:`edit`; moderators delete at any time.
    """
    found, _ = await access.message_for(ports, actor, message_id)
    async with ports.journal.change(actor.tenant, found.room) as change:
        place = await access.room_in(ports, change, actor, found.room)
        message = await change.message(message_id)
        if message is None:
            raise NotFound()
        if message.deleted:
            return message
        moderator = place.policy.is_moderator(place.role) or (actor.is_staff and bool(place.room.owner_kind))
        _may_change(place, actor, message, change.now_us, "delete_window_s", moderator, expect_changed_seq)
        await traces.forget(change.tx, actor.tenant, message_id)
        await change.tx.execute(
            "DELETE FROM revisions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        await change.tx.execute(
            "DELETE FROM reactions WHERE tenant_id = $1 AND message_id = $2", actor.tenant, message_id
        )
        if place.room.owner_kind:
            await packets.forget_in(change, message)
        level: AuditLevel = "full" if message.sender.id == actor.id else "moderation"
        change.audit(place.policy, actor.id, "message_deleted", message.room, message_id, level=level)
        gone = replace(message, deleted=True, pinned=False)
        return await change.put_message(gone, what="deleted", deleted_by=actor.id)


def _may_change(
    place: Place,
    actor: Actor,
    message: Message,
    now_us: int,
    window: Literal["edit_window_s", "delete_window_s"],
    always: bool,
    expect_changed_seq: int | None,
) -> None:
    if message.seq <= place.visible_from:
        raise NotFound()
    if message.deleted:
        raise MessageDeleted()
    if expect_changed_seq is not None and expect_changed_seq != message.changed_seq:
        raise PreconditionFailed(CHANGED_MEANWHILE, changed_seq=message.changed_seq)
    if message.kind == "system":
        raise Forbidden("What the platform said cannot be changed.")
    if always:
        return
    if message.sender.id != actor.id:
        raise Forbidden("Only its author can change this message.")
    if place.room.closed_at is not None:
        raise RoomClosed()
    if place.member is not None and place.member.muted_until is not None and place.member.muted_until > now_us:
        raise Muted(rule="mute")
    window_s: int | None = getattr(place.policy, window)
    if not within_window(to_us(message.created_at), now_us, window_s):
        raise WindowOver(window_s=window_s, rule=f"policy.{window}")


@dataclass(frozen=True)
class Revision:
    number: int
    content: str
    edited_by: UserId
    edited_at: datetime


async def revisions(
    ports: Ports, actor: Actor, message_id: MessageId, *, limit: int = 1000, after: int = 0
) -> list[Revision]:
    """The texts a message had before. Its author, moderators and staff see them; ``after`` continues a list.

    Raises:
        NotFound, Forbidden: Not theirs to see.
    """
    message, place = await access.message_for(ports, actor, message_id)
    if message.sender.id != actor.id and not place.policy.is_moderator(place.role) and not actor.is_staff:
        raise Forbidden()
    await access.note_read(ports, actor, place, "read_revisions", message_id)
    found = await messages.revisions(ports.db, actor.tenant, message_id, limit, after)
    return [
        Revision(item["number"], item["content"], item["edited_by"], from_us(item["edited_at_us"])) for item in found
    ]
