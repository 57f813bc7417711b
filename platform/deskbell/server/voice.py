"""What the platform tells, put into a dialect's words once for all its sockets in a room.

A voice is given v1's own frames, which hold only what everybody in the room may see; so a dialect sees no more
than that. What it fails to say is left out and counted as its plugin's fault; v1 and other dialects go on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from websockets.frames import Frame, Opcode

from deskbell.contracts import (
    Dialect,
    Frames,
    Told,
    ToldDrain,
    ToldHistory,
    ToldInbox,
    ToldMember,
    ToldMessage,
    ToldNotice,
    ToldPresence,
    ToldRead,
    ToldRoom,
    ToldTyping,
)
from deskbell.hub import Connection, Stream
from deskbell.ids import MessageId, RoomId, UserId
from deskbell.plugins import Asked
from deskbell.plugins.door import where
from deskbell.ports import Ports
from deskbell.server.outbound import prepare
from deskbell.store import messages
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.close_codes import CloseCode
from deskbell.wire.events import Event

KEPT = 128
"""How many events are kept as they were said, for those who join while one is told; and ids of messages, for marks."""

_message = msgspec.json.Decoder(frames.MessageFrame)
_participant = msgspec.json.Decoder(frames.ParticipantFrame)
_room = msgspec.json.Decoder(frames.RoomFrame)
_typing = msgspec.json.Decoder(frames.TypingFrame)
_presence = msgspec.json.Decoder(frames.Presence)
_receipt = msgspec.json.Decoder(frames.Receipt)
_encoder = msgspec.json.Encoder()

K = TypeVar("K")
V = TypeVar("V")


class DialectVoice:
    """See :class:`deskbell.hub.Voice`."""

    ping = Frame(Opcode.PING, b"").serialize(mask=False)

    def __init__(self, asked: Asked[Dialect], ports: Ports) -> None:
        self._asked = asked
        self._dialect = asked.offer
        self._ports = ports
        self._said: OrderedDict[int, tuple[Event, bytes]] = OrderedDict()
        self._births: OrderedDict[tuple[RoomId, int], MessageId] = OrderedDict()

    @property
    def silent(self) -> bool:
        """Whether its plugin was switched off."""
        return self._asked.plugin.state != "active"

    def prepared(self, said: Frames) -> bytes:
        """What a dialect says, ready for the wire; nothing where it is no JSON."""
        if said is None:
            return b""
        try:
            several = [said] if isinstance(said, Mapping) else said
            return b"".join(prepare(_encoder.encode(one)) for one in several)
        except Exception as error:
            self._asked.door.fault(f"said what is no JSON: {where(error)}")
            return b""

    def tell(self, told: Told) -> bytes:
        """What was told, in the dialect's words; empty where it has none."""
        if self.silent:
            return b""
        try:
            said = self._dialect.tell(told)
        except Exception as error:
            self._asked.door.fault(f"tell: {where(error)}")
            return b""
        return self.prepared(said)

    # to a room

    def durable(self, stream: Stream, event: Event) -> bytes:
        kept = self._said.get(id(event))
        if kept is not None and kept[0] is event:
            return kept[1]
        told = self._of(stream, event)
        said = b"" if told is None else self.tell(told)
        _keep(self._said, id(event), (event, said))
        return said

    def _of(self, stream: Stream, event: Event) -> Told | None:
        head = stream.head
        if head is None:
            return None
        match event.kind:
            case "message":
                message = _message.decode(event.frame).message
                if event.seq == message.seq:
                    _keep(self._births, (message.room, message.seq), message.id)
                    return ToldMessage(head, "created", message)
                return ToldMessage(head, event.what or "changed", message)
            case "participant":
                return ToldMember(head, _participant.decode(event.frame).participant)
            case "room":
                return ToldRoom(_room.decode(event.frame).state)
        return None

    def passing(self, stream: Stream, event: Event, to: Sequence[Connection]) -> None:
        head = stream.head
        if head is None:
            return
        match event.kind:
            case "typing":
                typing = _typing.decode(event.frame)
                self._pass(ToldTyping(head, typing.user, typing.on), to)
            case "presence":
                seen = _presence.decode(event.frame)
                self._pass(ToldPresence(head, seen.user, seen.status, seen.last_seen), to)
            case "receipt":
                receipt = _receipt.decode(event.frame)
                known = self._births.get((receipt.room, receipt.read_seq))
                if known is not None:
                    self._pass(ToldRead(head, receipt.user, receipt.read_seq, known, self._ports.clock.now()), to)
                elif receipt.read_seq:
                    self._ports.tasks.start(self._look_up(stream, receipt.user, receipt.read_seq, to), "receipt")

    async def _look_up(self, stream: Stream, user: UserId, seq: int, to: Sequence[Connection]) -> None:
        """Say which message a mark is at: clients of other protocols know no numbers."""
        head, policy = stream.head, stream.policy
        message: MessageId | None = None
        if policy is not None and policy.history == "all":
            try:
                found = await messages.before(self._ports.db, stream.tenant, stream.room, seq + 1, 1, 0)
            except StoreError:
                return  # nobody misses a receipt
            message = found[-1].id if found else None
        if head is not None:
            # Who has had to go meanwhile is not told.
            told = ToldRead(head, user, seq, message, self._ports.clock.now())
            self._pass(told, [one for one in to if stream.room in one.rooms])

    def _pass(self, told: Told, to: Sequence[Connection]) -> None:
        said = self.tell(told)
        if said:
            for connection in to:
                connection.out.write_ephemeral(said)

    def page(self, stream: Stream, frame: frames.Page) -> bytes:
        head = stream.head
        if head is None:
            return b""
        if isinstance(frame, frames.Subscribed):
            return self.tell(ToldHistory(head, frame.messages, frame.participants))
        since = frame.since if isinstance(frame, frames.Changes) else 0
        told: list[tuple[int, Told]] = []
        if frame.state is not msgspec.UNSET:
            told.append((frame.state.changed_seq, ToldRoom(frame.state)))
        told += [(member.changed_seq, ToldMember(head, member)) for member in frame.participants]
        told += [
            (message.changed_seq, ToldMessage(head, "created" if message.seq > since else "changed", message))
            for message in frame.messages
        ]
        return b"".join(self.tell(one) for _, one in sorted(told, key=lambda item: item[0]))

    # to one socket

    def own(self, connection: Connection, frame: frames.Frame) -> None:
        match frame:
            case frames.Inbox():
                inbox = ToldInbox(frame.room, frame.unread, frame.mentioned, frame.removed)
                if said := self.tell(inbox):
                    connection.out.write_ephemeral(said)
            case frames.Notice():
                self._own(connection, ToldNotice(frame.code, frame.text))
            case frames.Drain():
                self._own(connection, ToldDrain(frame.reconnect_in_ms))
            case frames.Reset():
                # What it was told may not be so any more, and it has no word for that: it begins anew.
                connection.out.close(CloseCode.RESYNC, "resync")

    def _own(self, connection: Connection, told: Told) -> None:
        if said := self.tell(told):
            connection.out.write(said)


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    if len(kept) > KEPT:
        kept.popitem(last=False)


def as_json(value: Any) -> bytes:
    """An answer's body."""
    return _encoder.encode(value)
