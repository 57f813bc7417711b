"""The desk as plugins see it: the same actions a client reaches, as one user.

It implements :class:`deskbell.contracts.DeskApi` and holds no rule of its own. Whose rights count is
asked of the store before each call, so a role that was taken away, or a user who was disabled, counts at
once. What the store refuses is raised as a client would be told it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from deskbell.actions import (
    editing,
    members,
    messages,
    people,
    pins,
    presence,
    reactions,
    reads,
    rooms,
    support,
    transcript,
)
from deskbell.actions.messages import Held
from deskbell.actions.reads import Marks
from deskbell.contracts.desk import Acting, Excerpt, Presence, ReadMark, Revision, RoomEntry, Sent, Thread, Unread
from deskbell.errors import NotFound, OutcomeUnknown, Unavailable
from deskbell.ids import MessageId, RoomId, TenantId, UserId, is_id
from deskbell.model.records import Actor, Message, Participant, PublicUser, RoomState
from deskbell.ports import Ports
from deskbell.store.database import OutcomeUnknown as StoreOutcomeUnknown
from deskbell.store.database import StoreError
from deskbell.wire.commands import Draft

LISTED = 100

P = ParamSpec("P")
T = TypeVar("T")
Action = Callable[Concatenate[Ports, Actor, P], Awaitable[T]]


class Facade:
    """See :class:`deskbell.contracts.DeskApi`."""

    def __init__(self, ports: Ports, marks: Marks) -> None:
        self._ports = ports
        self._marks = marks

    def acting_as(self, tenant: TenantId, user: UserId) -> Acting:
        """What one user may do, whoever asks on their behalf."""

        async def actor() -> Actor:
            found = await people.present(self._ports, tenant, user) if is_id(user) and is_id(tenant) else None
            if found is None:
                raise NotFound("There is no such user.")
            return found

        return _Acting(self._ports, self._marks, actor)

    def acting(self, current: Callable[[], Actor]) -> Acting:
        """What an authenticated user may do; ``current``: who they are by now, e.g. a socket's actor."""

        async def actor() -> Actor:
            return current()

        return _Acting(self._ports, self._marks, actor)


class _Acting:
    """See :class:`deskbell.contracts.Acting`."""

    def __init__(self, ports: Ports, marks: Marks, actor: Callable[[], Awaitable[Actor]]) -> None:
        self._ports = ports
        self._marks = marks
        self._actor = actor

    async def _do(self, action: Action[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        try:
            return await action(self._ports, await self._actor(), *args, **named)
        except StoreOutcomeUnknown as error:
            raise OutcomeUnknown() from error
        except StoreError as error:
            raise Unavailable() from error

    # themselves

    async def me(self) -> PublicUser:
        return (await self._do(_oneself)).public()

    async def attributes(self) -> Mapping[str, Any]:
        return dict((await self._do(_oneself)).attributes)

    async def rooms(self, *, channel_type: str | None = None, limit: int = 50) -> Sequence[RoomEntry]:
        found = await self._do(rooms.mine, limit=max(1, min(limit, LISTED)), channel_type=channel_type)
        return [
            RoomEntry(entry.state, entry.seq, entry.unread, entry.mentioned, entry.last_read_seq, entry.role)
            for entry, _ in found
        ]

    async def unread(self, room: RoomId | None = None) -> Mapping[RoomId, Unread]:
        if room is not None:
            return {room: Unread(*await self._do(reads.unread_in, room))}
        found: dict[RoomId, Unread] = {}
        before: tuple[int, RoomId] | None = None
        while True:
            page = await self._do(rooms.mine, limit=LISTED, before=before)
            found |= {item.state.id: Unread(item.unread, item.mentioned) for item, _ in page if item.unread}
            if len(page) < LISTED:
                return found
            before = page[-1][1], page[-1][0].state.id

    async def presence(self, users: Sequence[UserId]) -> Sequence[Presence]:
        found = await self._do(presence.statuses, list(users))
        return [Presence(seen.user, seen.status, seen.last_seen) for seen in found]

    # rooms

    async def room(self, room: RoomId) -> RoomState:
        return await self._do(rooms.get, room)

    async def room_by_key(
        self, channel_type: str, key: str, *, name: str = "", members: Sequence[UserId] = ()
    ) -> RoomState:
        return await self.create_room(channel_type, key=key, name=name, members=members)

    async def find_room(self, channel_type: str, key: str) -> RoomState:
        return await self._do(rooms.by_key, channel_type, key)

    async def create_room(
        self,
        channel_type: str,
        *,
        key: str | None = None,
        name: str = "",
        description: str = "",
        members: Sequence[UserId] = (),
    ) -> RoomState:
        room, _ = await self._do(
            rooms.create, channel_type, key=key, name=name, description=description, participants=list(members)
        )
        return rooms.state_of(self._ports, room)

    async def open_conversation(self, channel_type: str = "support", *, new: bool = False, name: str = "") -> RoomState:
        room, _ = await self._do(support.open_conversation, channel_type=channel_type, new=new, name=name)
        return rooms.state_of(self._ports, room)

    async def archive(self, room: RoomId) -> RoomState:
        return rooms.state_of(self._ports, await self._do(rooms.archive, _known(room)))

    async def join(self, room: RoomId) -> Participant:
        return await self._do(members.join, room)

    async def leave(self, room: RoomId) -> None:
        await self._do(members.leave, _known(room))

    async def members(self, room: RoomId) -> Sequence[Participant]:
        return await self._do(members.participants, room)

    async def add(self, room: RoomId, user: UserId, *, role: str | None = None) -> Participant:
        return await self._do(members.add, _known(room), user, role)

    async def set_role(self, room: RoomId, user: UserId, role: str) -> Participant:
        return await self._do(members.change_place, _known(room), user, role=role)

    async def kick(self, room: RoomId, user: UserId) -> None:
        await self._do(members.remove, _known(room), user)

    async def mute(self, room: RoomId, user: UserId, seconds: int) -> Participant:
        return await self._do(members.change_place, _known(room), user, mute_s=seconds)

    async def ban(self, room: RoomId, user: UserId) -> Participant:
        return await self._do(members.change_place, _known(room), user, state="banned")

    async def unban(self, room: RoomId, user: UserId) -> Participant:
        return await self._do(members.change_place, _known(room), user, state="joined")

    # messages

    async def send(
        self,
        room: RoomId,
        content: str,
        *,
        client_id: str | None = None,
        kind: str = "text",
        metadata: Mapping[str, Any] | None = None,
        reply_to: MessageId | None = None,
        thread: MessageId | None = None,
        mentions: Sequence[UserId] = (),
        attachments: Sequence[str] = (),
    ) -> Sent:
        draft = Draft(
            content=content,
            client_id=client_id,
            kind=kind,
            metadata=dict(metadata or {}),
            reply_to=reply_to,
            thread=thread,
            mentions=list(mentions),
            attachments=list(attachments),
        )
        posted = await self._do(messages.post, room, draft, messages.BY_PLUGIN)
        if isinstance(posted, Held):
            return Sent(posted.id, None, held=True)
        return Sent(posted.message.id, posted.message, duplicate=posted.duplicate)

    async def message(self, message: MessageId) -> Message:
        return await self._do(transcript.get, message)

    async def edit(self, message: MessageId, content: str) -> Message:
        return await self._do(editing.edit, message, content, door=messages.BY_PLUGIN.door)

    async def delete(self, message: MessageId) -> Message:
        return await self._do(editing.delete, message)

    async def react(self, message: MessageId, emoji: str) -> Message:
        return await self._do(reactions.react, message, emoji, on=True)

    async def unreact(self, message: MessageId, emoji: str) -> Message:
        return await self._do(reactions.react, message, emoji, on=False)

    async def pin(self, message: MessageId) -> Message:
        return await self._do(pins.pin, message, on=True)

    async def unpin(self, message: MessageId) -> Message:
        return await self._do(pins.pin, message, on=False)

    async def pinned(self, room: RoomId) -> Sequence[Message]:
        return await self._do(pins.pinned, room)

    async def revisions(self, message: MessageId) -> Sequence[Revision]:
        found = await self._do(editing.revisions, message)
        return [Revision(item.number, item.content, item.edited_by, item.edited_at) for item in found]

    async def thread(self, message: MessageId, *, after: int = 0, limit: int = 50) -> Thread:
        return Thread(*await self._do(transcript.thread, message, after=after, limit=max(1, min(limit, LISTED))))

    async def history(
        self,
        room: RoomId,
        *,
        before: int | None = None,
        after: int | None = None,
        around: int | None = None,
        limit: int = 50,
    ) -> Excerpt:
        found = await self._do(transcript.history, room, before=before, after=after, around=around, limit=limit)
        return Excerpt(found.messages, found.as_of_seq, found.more_before, found.more_after)

    # marks and signs

    async def mark_read(self, room: RoomId, seq: int) -> Unread:
        return Unread(*await self._do(_mark_read, self._marks, room, seq))

    async def read_marks(self, room: RoomId, *, since: int = 0) -> Sequence[ReadMark]:
        found = await self._do(reads.moves, room, since=since)
        return [ReadMark(move.user, move.seq, move.at) for move in found]

    async def typing(self, room: RoomId, on: bool = True) -> None:
        await self._do(presence.typing, room, on=on)


async def _oneself(ports: Ports, actor: Actor) -> Actor:
    return actor


async def _mark_read(ports: Ports, actor: Actor, marks: Marks, room: RoomId, seq: int) -> tuple[int, bool]:
    return await reads.mark_read(ports, marks, actor, room, seq)


def _known(room: RoomId) -> RoomId:
    """What is no id names no room; the journal is asked about ids only."""
    if not is_id(room):
        raise NotFound()
    return room
