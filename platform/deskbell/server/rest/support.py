"""A conversation and its hands, from the visitor's side and the agent's: opened, escalated, taken over, rated."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint

from deskbell.actions import case_lists, cases, contacts, escalation, leaving, notes, ratings, rooms, support, waiting
from deskbell.actions.contacts import Contact
from deskbell.errors import (
    AlreadyClaimed,
    ClientIdReused,
    Conflict,
    Forbidden,
    Invalid,
    RateLimited,
    RoomClosed,
    TooLarge,
)
from deskbell.ids import MessageId, RoomId
from deskbell.model.records import CaseEntry, Conversation, RoomState
from deskbell.server.edge import Edge
from deskbell.server.rest.bodies import AnyUser, Body, Items, Listed, Nothing, Text, cursor, read_cursor
from deskbell.server.rest.routes import Ask, Routes
from deskbell.wire import frames
from deskbell.wire.commands import ClientId

ChannelName = Annotated[str, Meta(max_length=100)]
OwnerKind = Literal["bot", "agent", "nobody"]


class NewConversation(Body, frozen=True):
    """``new``: another one, even where one is open. ``page``: where the visitor was, for whoever answers."""

    channel_type: ChannelName = support.DEFAULT_TYPE
    new: bool = False
    name: Annotated[str, Meta(max_length=200)] = ""
    page: Annotated[str, Meta(max_length=2000)] = ""


class ConversationsQuery(Listed, frozen=True):
    """``owner``: only those that a bot, an agent or nobody answers in.

    ``live``, for agents: without those in which all is done until the visitor writes again.
    """

    owner: OwnerKind | UnsetType = UNSET
    channel_type: ChannelName | UnsetType = UNSET
    live: bool = False


class Escalation(Body, frozen=True):
    reason: Annotated[str, Meta(max_length=200)] = "asked_human"


class Rating(Body, frozen=True):
    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=4000)] = ""


class Rated(msgspec.Struct, frozen=True):
    room: RoomId
    rating: int | None
    comment: str | None


class NewNote(Body, frozen=True):
    """A note for colleagues. Sent again with the same ``client_id``, it is written once."""

    text: Annotated[Text, Meta(min_length=1)]
    client_id: ClientId | None = None
    mentions: Annotated[list[AnyUser], Meta(max_length=100)] = msgspec.field(default_factory=list)
    draft: bool = False


class Note(msgspec.Struct, frozen=True):
    """The note's message, in the backstage room."""

    id: MessageId


def blueprint(edge: Edge) -> Blueprint:
    routes, ports = Routes("support", edge), edge.ports

    @routes.post(
        "/support/conversations",
        {201: RoomState, 200: RoomState},
        body=NewConversation,
        refuses=[Forbidden, RateLimited],
    )
    async def open_conversation(ask: Ask) -> tuple[int, RoomState]:
        """The visitor's conversation: 200 with the one under way, 201 with a new one."""
        body: NewConversation = ask.body
        room, new = await support.open_conversation(
            ports, ask.actor, channel_type=body.channel_type, new=body.new, name=body.name, page=body.page
        )
        return (201 if new else 200), rooms.state_of(ports, room)

    @routes.get("/support/conversations", Items[Conversation], query=ConversationsQuery)
    async def list_conversations(ask: Ask) -> Items[Conversation]:
        """A visitor's own conversations, newest first; for agents, the open ones of the tenant, latest activity first.

        ``room``, ``visitor``, ``site``, ``last`` and ``opened_at`` are for agents.
        """
        query: ConversationsQuery = ask.query
        found = await support.conversations(
            ports,
            ask.actor,
            owner=None if query.owner is UNSET else query.owner,
            channel_type=None if query.channel_type is UNSET else query.channel_type,
            live=query.live,
            limit=query.limit + 1,
            before=read_cursor(query.cursor, int, RoomId),
        )
        page = found[: query.limit]
        more = cursor(page[-1][1], page[-1][0].id) if len(found) > len(page) else None
        return Items([state for state, _ in page], more)

    @routes.post(
        "/rooms/<room_id>/escalate",
        frames.OwnCaseFrame,
        body=Escalation,
        refuses=[Forbidden, Conflict, RoomClosed],
    )
    async def escalate(ask: Ask, room_id: RoomId) -> frames.OwnCaseFrame:
        """Ask for a person. Asking again changes nothing."""
        await escalation.escalate(ports, ask.actor, room_id, ask.body.reason)
        return await waiting.own_case(ports, ask.actor, room_id)

    @routes.post("/rooms/<room_id>/assistant", frames.OwnCaseFrame, body=Nothing, refuses=[Forbidden, Conflict])
    async def keep_place(ask: Ask, room_id: RoomId) -> frames.OwnCaseFrame:
        """Go on with the assistant and keep one's place in line."""
        await escalation.keep_place(ports, ask.actor, room_id)
        return await waiting.own_case(ports, ask.actor, room_id)

    @routes.post("/rooms/<room_id>/leave-queue", frames.OwnCaseFrame, body=Nothing, refuses=[Forbidden, Conflict])
    async def leave_queue(ask: Ask, room_id: RoomId) -> frames.OwnCaseFrame:
        """Wait for a person no longer; the assistant goes on. By the visitor."""
        await leaving.leave_queue(ports, ask.actor, room_id)
        return await waiting.own_case(ports, ask.actor, room_id)

    @routes.post("/rooms/<room_id>/end", RoomState, body=Nothing, refuses=[Forbidden, Conflict])
    async def end_conversation(ask: Ask, room_id: RoomId) -> RoomState:
        """End one's conversation. It can be rated then, and a new one opened."""
        return rooms.state_of(ports, await leaving.end(ports, ask.actor, room_id))

    @routes.get("/rooms/<room_id>/contact", Contact)
    async def get_contact(ask: Ask, room_id: RoomId) -> Contact:
        """Who the visitor is, what they say of themselves, and their conversations; for agents."""
        return await contacts.contact(ports, ask.actor, room_id)

    @routes.get("/rooms/<room_id>/case", frames.OwnCaseFrame)
    async def get_own_case(ask: Ask, room_id: RoomId) -> frames.OwnCaseFrame:
        """What a visitor may know of their case: its status, their place, how long it may take."""
        return await waiting.own_case(ports, ask.actor, room_id)

    @routes.post(
        "/rooms/<room_id>/take-over",
        CaseEntry,
        body=Nothing,
        refuses=[Forbidden, AlreadyClaimed, Conflict, RoomClosed],
    )
    async def take_over(ask: Ask, room_id: RoomId) -> CaseEntry:
        """Answer in a conversation oneself from now on; the bot is silent."""
        case = await cases.take_over(ports, ask.actor, room_id)
        return await case_lists.entry(ports, ask.actor, case.id)

    @routes.post("/rooms/<room_id>/rating", Rated, body=Rating, refuses=[Forbidden, Conflict])
    async def rate(ask: Ask, room_id: RoomId) -> Rated:
        """How the help was, from 1 to 5, by the visitor."""
        rated = await ratings.rate(ports, ask.actor, room_id, ask.body.rating, ask.body.comment)
        return Rated(room_id, rated.rating, rated.comment)

    @routes.get("/rooms/<room_id>/backstage", RoomState)
    async def get_backstage(ask: Ask, room_id: RoomId) -> RoomState:
        """The agents-only twin of a conversation, where notes are."""
        return rooms.state_of(ports, await notes.backstage(ports, ask.actor, room_id))

    @routes.post("/rooms/<room_id>/notes", {201: Note}, body=NewNote, refuses=[ClientIdReused, Invalid, TooLarge])
    async def add_note(ask: Ask, room_id: RoomId) -> Note:
        """Write a private note to a conversation."""
        body: NewNote = ask.body
        written = await notes.write(
            ports, ask.actor, room_id, body.text, body.client_id, mentions=body.mentions, draft=body.draft
        )
        return Note(written)

    return routes.blueprint
