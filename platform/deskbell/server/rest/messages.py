"""Messages: sent, read back, edited, taken back, reacted to, pinned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import messages
from deskbell.actions.messages import Held, Reacted, Revision
from deskbell.clock import to_us
from deskbell.errors import (
    Blocked,
    ClientIdReused,
    Forbidden,
    Invalid,
    KindNotAllowed,
    LimitReached,
    MessageDeleted,
    Muted,
    NotYours,
    OutcomeUnknown,
    PreconditionFailed,
    RateLimited,
    RoomClosed,
    Stale,
    WindowOver,
)
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.model.records import Message
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import (
    AnyMessage,
    AnyUser,
    Body,
    Items,
    Limit,
    Listed,
    Query,
    Seq,
    Text,
    cursor,
    read_cursor,
)
from deskbell.server.rest.routes import Ask, Routes
from deskbell.wire.commands import Draft

MAX_CLIENT_ID = 128
CLIENT_ID_HEADER = "Idempotency-Key"


class NewMessage(Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as its sender asks for it. ``expect``: send only if this still holds."""

    content: Text
    reply_to: AnyMessage | None = None
    thread: AnyMessage | None = None
    mentions: Annotated[list[AnyUser], Meta(max_length=50)] = msgspec.field(default_factory=list)


class MessageChange(Body, frozen=True):
    content: Annotated[str, Meta(min_length=1, max_length=65_536)]


class HistoryQuery(Query, frozen=True):
    """One of ``before``, ``after`` and ``around``, each a ``seq``; none: the newest."""

    before: Seq | UnsetType = UNSET
    after: Seq | UnsetType = UNSET
    around: Seq | UnsetType = UNSET
    limit: Limit = 50


class ThreadQuery(Query, frozen=True):
    """``after``: the ``seq`` of the last answer one has."""

    after: Seq = 0
    limit: Limit = 50


class Sent(msgspec.Struct, frozen=True):
    """What became of a message; the socket's ``ack``. A held one has no ``seq`` and is shown to nobody yet."""

    room: RoomId
    id: MessageId
    client_id: str | None
    seq: int | None = None
    created_at: datetime | None = None
    duplicate: bool = False
    held: bool = False
    message: Message | None = None


class History(msgspec.Struct, frozen=True):
    """Part of a room's past, oldest first, as it was when the room stood at ``as_of_seq``."""

    room: RoomId
    messages: list[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool


class Thread(msgspec.Struct, frozen=True):
    root: Message
    messages: list[Message]
    more_after: bool


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("messages", edge), edge.ports

    @routes.get("/rooms/<room_id>/messages", History, query=HistoryQuery)
    async def list_messages(ask: Ask, room_id: RoomId) -> History:
        """Messages of a room before, after or around a ``seq``; the newest, where none is given."""
        query: HistoryQuery = ask.query
        found = await messages.history(
            ports,
            ask.actor,
            room_id,
            before=_given(query.before),
            after=_given(query.after),
            around=_given(query.around),
            limit=query.limit,
        )
        return History(room_id, found.messages, found.as_of_seq, found.more_before, found.more_after)

    @routes.post(
        "/rooms/<room_id>/messages",
        {201: Sent, 200: Sent, 202: Sent},
        body=NewMessage,
        headers={
            CLIENT_ID_HEADER: {
                "description": "The message's client_id: the same send twice is one message.",
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CLIENT_ID, "pattern": "^[!-~]+$"},
            }
        },
        refuses=[
            ClientIdReused,
            KindNotAllowed,
            Muted,
            NotYours,
            Blocked,
            RoomClosed,
            MessageDeleted,
            Stale,
            PreconditionFailed,
            RateLimited,
            OutcomeUnknown,
        ],
    )
    async def send_message(ask: Ask, room_id: RoomId) -> tuple[int, Sent]:
        """Send a message: 201 when it is stored, 200 when it was before, 202 when it waits for approval.

        Sent again with the same ``client_id``, it is stored once, also when the first attempt came by socket.
        """
        draft = _with_client_id(ask.body, ask.headers.get(CLIENT_ID_HEADER))
        posted = await messages.post(ports, ask.actor, room_id, draft)
        if isinstance(posted, Held):
            return 202, Sent(room_id, posted.id, draft.client_id, held=True)
        message = posted.message
        return (200 if posted.duplicate else 201), Sent(
            room_id,
            message.id,
            message.client_id,
            message.seq,
            message.created_at,
            posted.duplicate,
            message=message,
        )

    @routes.get("/rooms/<room_id>/pins", Items[Message])
    async def list_pins(ask: Ask, room_id: RoomId) -> Items[Message]:
        """The pinned messages of a room, newest first."""
        return Items(await messages.pinned(ports, ask.actor, room_id))

    @routes.get("/messages/<message_id>", Message)
    async def get_message(ask: Ask, message_id: MessageId) -> Message:
        """A message in its present state. Of a deleted one remains that there was one."""
        return await messages.get(ports, ask.actor, message_id)

    @routes.patch(
        "/messages/<message_id>",
        Message,
        body=MessageChange,
        refuses=[Forbidden, Muted, WindowOver, MessageDeleted, RoomClosed, Blocked, RateLimited],
    )
    async def edit_message(ask: Ask, message_id: MessageId) -> Message:
        """Give a message another text, within its author's window. The old text is kept as a revision."""
        return await messages.edit(ports, ask.actor, message_id, ask.body.content)

    @routes.delete(
        "/messages/<message_id>", Message, refuses=[Forbidden, Muted, WindowOver, MessageDeleted, RoomClosed]
    )
    async def delete_message(ask: Ask, message_id: MessageId) -> Message:
        """Take a message back. Its text is gone; that there was one remains."""
        return await messages.delete(ports, ask.actor, message_id)

    @routes.get("/messages/<message_id>/revisions", Items[Revision], refuses=[Forbidden])
    async def list_revisions(ask: Ask, message_id: MessageId) -> Items[Revision]:
        """The texts a message had before, oldest first, for its author, moderators and staff."""
        return Items(await messages.revisions(ports, ask.actor, message_id))

    @routes.get("/messages/<message_id>/thread", Thread, query=ThreadQuery)
    async def get_thread(ask: Ask, message_id: MessageId) -> Thread:
        """A thread: its root, and its answers, oldest first."""
        root, answers, more = await messages.thread(
            ports, ask.actor, message_id, after=ask.query.after, limit=ask.query.limit
        )
        return Thread(root, answers, more)

    @routes.get("/messages/<message_id>/reactions", Items[Reacted], query=Listed)
    async def list_reactions(ask: Ask, message_id: MessageId) -> Items[Reacted]:
        """Everybody who reacted, oldest first; a message itself names the first twenty per emoji."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, int, UserId, str)
        found = await messages.reactors(ports, ask.actor, message_id, limit=query.limit + 1, after=after)
        page = found[: query.limit]
        last = page[-1] if len(found) > len(page) else None
        return Items(page, None if last is None else cursor(to_us(last.at), last.user.id, last.emoji))

    reaction = "/messages/<message_id>/reactions/<emoji>"
    not_reacted = [Forbidden, MessageDeleted, RoomClosed, LimitReached, RateLimited, Invalid]

    @routes.put(reaction, Message, refuses=not_reacted)
    async def react(ask: Ask, message_id: MessageId, emoji: str) -> Message:
        """Put a reaction under a message: one emoji, or a short name like ``:party:``."""
        return await messages.react(ports, ask.actor, message_id, emoji, on=True)

    @routes.delete(reaction, Message, refuses=not_reacted)
    async def unreact(ask: Ask, message_id: MessageId, emoji: str) -> Message:
        """Take one's reaction back."""
        return await messages.react(ports, ask.actor, message_id, emoji, on=False)

    @routes.put("/messages/<message_id>/pin", Message, refuses=[Forbidden, MessageDeleted])
    async def pin(ask: Ask, message_id: MessageId) -> Message:
        """Pin a message for everybody in its room."""
        return await messages.pin(ports, ask.actor, message_id, on=True)

    @routes.delete("/messages/<message_id>/pin", Message, refuses=[Forbidden, MessageDeleted])
    async def unpin(ask: Ask, message_id: MessageId) -> Message:
        """Take a pin away."""
        return await messages.pin(ports, ask.actor, message_id, on=False)

    return routes.blueprint


def _with_client_id(draft: NewMessage, header: str | None) -> NewMessage:
    """The draft under its one client id, which may stand in the body or in the header.

    Raises:
        Invalid: The header is empty or too long, or names another one than the body.
    """
    if header is None:
        return draft
    if not 0 < len(header) <= MAX_CLIENT_ID or not all("!" <= character <= "~" for character in header):
        raise Invalid(
            f"{CLIENT_ID_HEADER} holds 1 to {MAX_CLIENT_ID} visible ASCII characters.",
            path=CLIENT_ID_HEADER,
            where="header",
        )
    if draft.client_id not in (None, header):
        raise Invalid(
            f"{CLIENT_ID_HEADER} and client_id name different sends. Give one of them.",
            path=CLIENT_ID_HEADER,
            where="header",
        )
    return msgspec.structs.replace(draft, client_id=header)
