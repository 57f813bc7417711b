"""Messages: sent, read back, edited, taken back, reacted to, pinned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import editing, forwarding, messages, pins, reactions, reads, tracing, transcript
from deskbell.actions.editing import Revision
from deskbell.actions.messages import BY_REST, Held
from deskbell.actions.reactions import Reacted
from deskbell.actions.reads import Receipt
from deskbell.actions.tracing import MessageTrace
from deskbell.clock import from_us, to_us
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
    AnyRoom,
    AnyUser,
    Body,
    Items,
    Limit,
    Listed,
    Moment,
    Query,
    Seq,
    Text,
    cursor,
    read_cursor,
    read_moment,
)
from deskbell.server.rest.conditions import IF_MATCH, PROMISED
from deskbell.server.rest.routes import Ask, Routes
from deskbell.store.posting import Posted
from deskbell.wire.commands import MAX_NUMBER, ClientId, Draft

MAX_CLIENT_ID = 128
CLIENT_ID_HEADER = "Idempotency-Key"
IDEMPOTENT = {
    CLIENT_ID_HEADER: {
        "description": "The message's client_id: the same send twice is one message.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_CLIENT_ID, "pattern": "^[!-~]+$"},
    }
}
NOT_SENT = (
    ClientIdReused,
    KindNotAllowed,
    Muted,
    NotYours,
    Blocked,
    RoomClosed,
    MessageDeleted,
    RateLimited,
    OutcomeUnknown,
)
Around = Annotated[str, Meta(pattern=r"^([0-9]{1,16}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$")]
Offset = Annotated[int, Meta(ge=0, le=100_000)]


class NewMessage(Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as its sender asks for it. ``expect``: send only if this still holds."""

    content: Text
    reply_to: AnyMessage | None = None
    thread: AnyMessage | None = None
    mentions: Annotated[list[AnyUser], Meta(max_length=50)] = msgspec.field(default_factory=list)


class MessageChange(Body, frozen=True):
    content: Annotated[str, Meta(min_length=1, max_length=65_536)]


class Forwarding(Body, frozen=True):
    """``room``: where to."""

    room: AnyRoom
    client_id: ClientId | None = None


class HistoryQuery(Query, frozen=True):
    """One of these places; none: the newest. ``before`` and ``after`` are a ``seq``, ``around`` that or a message.

    ``at`` is a moment; ``offset`` leaves out that many of the newest.
    """

    before: Seq | UnsetType = UNSET
    after: Seq | UnsetType = UNSET
    around: Around | UnsetType = UNSET
    at: Moment | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    limit: Limit = 50


class ThreadQuery(Query, frozen=True):
    """``after``: the ``seq`` of the last answer one has."""

    after: Seq = 0
    limit: Limit = 50


Sending = TypeVar("Sending", NewMessage, Forwarding)


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
    """Part of a room's past, oldest first, as it was when the room stood at ``as_of_seq``.

    ``around``: the ``seq`` that was looked for, where a message or a moment was named.
    """

    room: RoomId
    messages: list[Message]
    as_of_seq: int
    more_before: bool
    more_after: bool
    around: int | None = None


class Thread(msgspec.Struct, frozen=True):
    root: Message
    messages: list[Message]
    more_after: bool


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def _place(around: str | UnsetType) -> int | MessageId | None:
    """A ``seq`` or a message, as a query names it.

    Raises:
        Invalid: A number no room counts to.
    """
    if around is UNSET:
        return None
    if not around.isdecimal():
        return MessageId(around)
    if int(around) > MAX_NUMBER:
        raise Invalid("No room counts that far.", path="around", where="query")
    return int(around)


def _sent(room_id: RoomId, client_id: str | None, posted: Posted | Held) -> tuple[int, Sent]:
    """What became of a send: 201 stored, 200 stored before, 202 held."""
    if isinstance(posted, Held):
        return 202, Sent(room_id, posted.id, client_id, held=True)
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


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("messages", edge), edge.ports

    @routes.get("/rooms/<room_id>/messages", History, query=HistoryQuery)
    async def list_messages(ask: Ask, room_id: RoomId) -> History:
        """Messages of a room before, after or around a place or a moment; the newest, where none is given."""
        query: HistoryQuery = ask.query
        found = await transcript.history(
            ports,
            ask.actor,
            room_id,
            before=_given(query.before),
            after=_given(query.after),
            around=_place(query.around),
            at=None if query.at is UNSET else from_us(read_moment(query.at, "at")),
            offset=_given(query.offset) or 0,
            limit=query.limit,
        )
        return History(room_id, found.messages, found.as_of_seq, found.more_before, found.more_after, found.around)

    @routes.post(
        "/rooms/<room_id>/messages",
        {201: Sent, 200: Sent, 202: Sent},
        body=NewMessage,
        headers=IDEMPOTENT,
        refuses=[*NOT_SENT, Stale, PreconditionFailed],
    )
    async def send_message(ask: Ask, room_id: RoomId) -> tuple[int, Sent]:
        """Send a message: 201 when it is stored, 200 when it was before, 202 when it waits for approval.

        Sent again with the same ``client_id``, it is stored once, also when the first attempt came by socket.
        """
        draft = _with_client_id(ask.body, ask.headers.get(CLIENT_ID_HEADER))
        return _sent(room_id, draft.client_id, await messages.post(ports, ask.actor, room_id, draft, BY_REST))

    @routes.get("/rooms/<room_id>/pins", Items[Message], query=Listed)
    async def list_pins(ask: Ask, room_id: RoomId) -> Items[Message]:
        """The pinned messages of a room, newest first."""
        query: Listed = ask.query
        before = read_cursor(query.cursor, int)
        found = await pins.pinned(
            ports, ask.actor, room_id, limit=query.limit + 1, before=None if before is None else before[0]
        )
        page = found[: query.limit]
        return Items(page, cursor(page[-1].seq) if len(found) > len(page) else None)

    @routes.post(
        "/messages/<message_id>/forward",
        {201: Sent, 200: Sent, 202: Sent},
        body=Forwarding,
        headers=IDEMPOTENT,
        refuses=NOT_SENT,
    )
    async def forward_message(ask: Ask, message_id: MessageId) -> tuple[int, Sent]:
        """Pass a message on into another room one may write in; answered as a send.

        ``metadata.forwarded`` of the new message says what the people there may know of its origin.
        """
        body: Forwarding = _with_client_id(ask.body, ask.headers.get(CLIENT_ID_HEADER))
        posted = await forwarding.forward(
            ports, ask.actor, message_id, body.room, client_id=body.client_id, door=BY_REST.door
        )
        return _sent(body.room, body.client_id, posted)

    @routes.get("/messages/<message_id>", Message)
    async def get_message(ask: Ask, message_id: MessageId) -> Message:
        """A message in its present state. Of a deleted one remains that there was one."""
        return await transcript.get(ports, ask.actor, message_id)

    @routes.patch(
        "/messages/<message_id>",
        Message,
        body=MessageChange,
        headers={IF_MATCH: PROMISED},
        refuses=[Forbidden, Muted, WindowOver, MessageDeleted, RoomClosed, Blocked, RateLimited],
    )
    async def edit_message(ask: Ask, message_id: MessageId) -> Message:
        """Give a message another text, within its author's window. The old text is kept as a revision."""
        return await editing.edit(
            ports,
            ask.actor,
            message_id,
            ask.body.content,
            expect_changed_seq=ask.expected_version,
            door=BY_REST.door,
        )

    @routes.delete(
        "/messages/<message_id>",
        Message,
        headers={IF_MATCH: PROMISED},
        refuses=[Forbidden, Muted, WindowOver, MessageDeleted, RoomClosed],
    )
    async def delete_message(ask: Ask, message_id: MessageId) -> Message:
        """Take a message back. Its text is gone; that there was one remains."""
        return await editing.delete(ports, ask.actor, message_id, expect_changed_seq=ask.expected_version)

    @routes.get("/messages/<message_id>/revisions", Items[Revision], query=Listed, refuses=[Forbidden])
    async def list_revisions(ask: Ask, message_id: MessageId) -> Items[Revision]:
        """The texts a message had before, oldest first, for its author, moderators and staff."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, int)
        found = await editing.revisions(
            ports, ask.actor, message_id, limit=query.limit + 1, after=0 if after is None else after[0]
        )
        page = found[: query.limit]
        return Items(page, cursor(page[-1].number) if len(found) > len(page) else None)

    @routes.get("/messages/<message_id>/receipts", Items[Receipt], query=Listed)
    async def list_receipts(ask: Ask, message_id: MessageId) -> Items[Receipt]:
        """Whom a message has reached and who has read it, its author apart; where marks are not shared, oneself."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, UserId)
        found = await reads.receipts(
            ports, ask.actor, message_id, limit=query.limit + 1, after=None if after is None else after[0]
        )
        page = found[: query.limit]
        return Items(page, cursor(page[-1].user.id) if len(found) > len(page) else None)

    @routes.get("/messages/<message_id>/trace", MessageTrace, refuses=[Forbidden])
    async def get_trace(ask: Ask, message_id: MessageId) -> MessageTrace:
        """How a message came in: by which door, what filters made of it, who approved or deleted it; agents."""
        return await tracing.trace(ports, ask.actor, message_id)

    @routes.get("/messages/<message_id>/thread", Thread, query=ThreadQuery)
    async def get_thread(ask: Ask, message_id: MessageId) -> Thread:
        """A thread: its root, and its answers, oldest first."""
        root, answers, more = await transcript.thread(
            ports, ask.actor, message_id, after=ask.query.after, limit=ask.query.limit
        )
        return Thread(root, answers, more)

    @routes.get("/messages/<message_id>/reactions", Items[Reacted], query=Listed)
    async def list_reactions(ask: Ask, message_id: MessageId) -> Items[Reacted]:
        """Everybody who reacted, oldest first; a message itself names the first twenty per emoji."""
        query: Listed = ask.query
        after = read_cursor(query.cursor, int, UserId, str)
        found = await reactions.reactors(ports, ask.actor, message_id, limit=query.limit + 1, after=after)
        page = found[: query.limit]
        last = page[-1] if len(found) > len(page) else None
        return Items(page, None if last is None else cursor(to_us(last.at), last.user.id, last.emoji))

    reaction = "/messages/<message_id>/reactions/<emoji>"
    not_reacted = [Forbidden, MessageDeleted, RoomClosed, LimitReached, RateLimited, Invalid]

    @routes.put(reaction, Message, refuses=not_reacted)
    async def react(ask: Ask, message_id: MessageId, emoji: str) -> Message:
        """Put a reaction under a message: one emoji, or a short name like ``:party:``."""
        return await reactions.react(ports, ask.actor, message_id, emoji, on=True)

    @routes.delete(reaction, Message, refuses=not_reacted)
    async def unreact(ask: Ask, message_id: MessageId, emoji: str) -> Message:
        """Take one's reaction back."""
        return await reactions.react(ports, ask.actor, message_id, emoji, on=False)

    @routes.put("/messages/<message_id>/pin", Message, refuses=[Forbidden, MessageDeleted])
    async def pin(ask: Ask, message_id: MessageId) -> Message:
        """Pin a message for everybody in its room."""
        return await pins.pin(ports, ask.actor, message_id, on=True)

    @routes.delete("/messages/<message_id>/pin", Message, refuses=[Forbidden, MessageDeleted])
    async def unpin(ask: Ask, message_id: MessageId) -> Message:
        """Take a pin away."""
        return await pins.pin(ports, ask.actor, message_id, on=False)

    return routes.blueprint


def _with_client_id(draft: Sending, header: str | None) -> Sending:
    """What is to be sent, under its one client id, which may stand in the body or in the header.

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
