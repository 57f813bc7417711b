"""Rows of tables turned into records, and the columns that are needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from deskbell.clock import from_us
from deskbell.ids import UserId
from deskbell.model.records import (
    Case,
    Channel,
    Membership,
    Message,
    Participant,
    PublicUser,
    Reaction,
    Room,
    RoomState,
)
from deskbell.store.sessions import Row

_json = msgspec.json.Decoder()
_strings = msgspec.json.Decoder(list[str])

ROOM_COLUMNS = (
    "r.tenant_id, r.id, r.channel_type, r.key, r.name, r.description, r.seq, r.changed_seq, r.floor, r.epoch, "
    "r.owner_kind, r.owner_user, r.owner_version, r.customer, r.backstage, r.backstage_of, r.redirect_to, "
    "r.closed_at, r.created_by, r.created_at, r.active_at, r.case_id"
)
MEMBER_COLUMNS = (
    "p.room_id, p.user_id, p.role, p.state, p.visible_from, p.muted_until, p.changed_seq, p.joined_at, "
    "p.last_read_seq, p.last_delivered_seq, p.unread_from"
)
MESSAGE_COLUMNS = (
    "m.id, m.room_id, m.seq, m.changed_seq, m.client_id, m.sender_id, m.kind, m.content, m.metadata, "
    "m.attachments, m.mentions, m.reply_to, m.thread, m.thread_count, m.pinned, m.created_at, m.edited_at, "
    "m.deleted_at, u.kind AS sender_kind, u.name AS sender_name, u.avatar AS sender_avatar"
)
CASE_COLUMNS = (
    "c.id, c.room_id, c.status, c.reason, c.priority, c.team, c.agent, c.step, c.opened_at, c.waiting_since, "
    "c.deadline_at, c.first_response_at, c.resolved_at, c.snoozed_until, c.handover, c.rating, c.rating_comment, "
    "c.merged_into, c.version, c.labels"
)
USER_COLUMNS = "u.id AS user_id, u.kind AS user_kind, u.name AS user_name, u.avatar AS user_avatar"
VISITOR_OF_ROOM = (
    " LEFT JOIN users u ON u.tenant_id = r.tenant_id AND u.id = r.customer"
    " LEFT JOIN sites s ON s.tenant_id = u.tenant_id AND s.id = u.site_id"
)
"""Joins the visitor of a room ``r`` as ``u``, and the site they came by as ``s``."""


def room(row: Row) -> Room:
    return Room(
        row["tenant_id"], row["id"], row["channel_type"], row["key"], row["name"], row["description"], row["seq"],
        row["changed_seq"], row["floor"], row["epoch"], row["owner_kind"], row["owner_user"], row["owner_version"],
        row["customer"], row["backstage"], row["backstage_of"], row["redirect_to"], row["closed_at"],
        row["created_by"], row["created_at"], row["active_at"], row["case_id"],
    )  # fmt: skip


def room_state(room: Room, channel: Channel) -> RoomState:
    """What members see of a room."""
    return RoomState(
        id=room.id,
        key=room.key,
        channel_type=room.channel_type,
        name=room.name,
        description=room.description,
        owner=room.owner,
        owner_version=room.owner_version,
        archived=room.closed_at is not None,
        policy=channel.policy.for_clients(),
        created_at=from_us(room.created_at),
        changed_seq=room.changed_seq,
        case=room.case_id,
        redirect_to=room.redirect_to,
    )


def membership(row: Row) -> Membership:
    return Membership(
        row["room_id"], row["user_id"], row["role"], row["state"], row["visible_from"], row["muted_until"],
        abs(row["changed_seq"]), row["joined_at"], row["last_read_seq"], row["last_delivered_seq"], row["unread_from"],
    )  # fmt: skip


def participant(member: Membership, user: PublicUser) -> Participant:
    return Participant(
        user=user,
        role=member.role,
        state=member.state,
        joined_at=from_us(member.joined_at),
        changed_seq=member.changed_seq,
        muted_until=None if member.muted_until is None else from_us(member.muted_until),
    )


def public_user(row: Row) -> PublicUser:
    return PublicUser(row["user_id"], row["user_kind"], row["user_name"], row["user_avatar"])


def message(row: Row, reactions: Sequence[Reaction] = ()) -> Message:
    """A message; a deleted one comes with everything its author wrote taken out."""
    deleted = row["deleted_at"] is not None
    edited = row["edited_at"]
    metadata, attachments, mentions = row["metadata"], row["attachments"], row["mentions"]
    return Message(
        id=row["id"],
        room=row["room_id"],
        seq=row["seq"],
        changed_seq=row["changed_seq"],
        client_id=row["client_id"],
        sender=PublicUser(row["sender_id"], row["sender_kind"], row["sender_name"], row["sender_avatar"]),
        kind=row["kind"],
        content="" if deleted else row["content"],
        created_at=from_us(row["created_at"]),
        metadata={} if deleted or metadata == "{}" else _json.decode(metadata),
        attachments=[] if deleted or attachments == "[]" else _json.decode(attachments),
        reply_to=row["reply_to"],
        thread=row["thread"],
        thread_count=row["thread_count"],
        mentions=[] if deleted or mentions == "[]" else [UserId(user) for user in _strings.decode(mentions)],
        reactions=[] if deleted else list(reactions),
        pinned=bool(row["pinned"]) and not deleted,
        edited_at=None if edited is None or deleted else from_us(edited),
        deleted=deleted,
    )


def case(row: Row, position: int | None = None) -> Case:
    def moment(name: str) -> Any:
        value = row[name]
        return None if value is None else from_us(value)

    return Case(
        id=row["id"],
        room=row["room_id"],
        status=row["status"],
        reason=row["reason"],
        priority=row["priority"],
        team=row["team"],
        agent=row["agent"],
        opened_at=from_us(row["opened_at"]),
        deadline_at=moment("deadline_at"),
        version=row["version"],
        step=row["step"],
        waiting_since=moment("waiting_since"),
        first_response_at=moment("first_response_at"),
        resolved_at=moment("resolved_at"),
        snoozed_until=moment("snoozed_until"),
        position=position,
        handover=None if row["handover"] is None else _json.decode(row["handover"]),
        rating=row["rating"],
        rating_comment=row["rating_comment"],
        merged_into=row["merged_into"],
        labels=[] if row["labels"] == "[]" else _json.decode(row["labels"]),
    )
