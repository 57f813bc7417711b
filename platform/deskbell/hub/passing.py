"""What is told to those who are there, and missed by nobody: typing, presence, receipts, a bot's words as they come."""

from __future__ import annotations

import asyncio

import msgspec

from deskbell.hub.connection import Connection, Stream, Voice
from deskbell.hub.ground import Ground
from deskbell.model.policy import Policy
from deskbell.wire import frames
from deskbell.wire.events import Event

TYPING_NAMES = 5
TYPING_S = 10.0

_typing_frame = msgspec.json.Decoder(frames.TypingFrame)


def _shows_presence(policy: Policy) -> bool:
    return policy.presence and policy.roster == "listed"


class Passing:
    """Ephemeral events, to all sockets of a room but their sender's."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def tell(self, event: Event, stream: Stream) -> None:
        if event.kind == "presence" and stream.policy is not None and not _shows_presence(stream.policy):
            return
        if event.owner_version and event.owner_version < stream.owner_version:
            return  # a bot that has not heard yet that it was relieved
        if event.kind == "typing" and self._too_many_typing(event, stream):
            return
        if stream.dialects:
            self._tell_dialects(event, stream)
        frame = self._ground.prepare(event.frame)
        for subscription in stream.subscriptions.values():
            connection = subscription.connection
            if subscription.live and connection.voice is None and connection.actor.id != event.sender:
                connection.out.write_ephemeral(frame)

    def _tell_dialects(self, event: Event, stream: Stream) -> None:
        spoken: dict[Voice, list[Connection]] = {}
        for subscription in stream.subscriptions.values():
            connection = subscription.connection
            if subscription.live and connection.voice is not None and connection.actor.id != event.sender:
                spoken.setdefault(connection.voice, []).append(connection)
        for voice, to in spoken.items():
            voice.passing(stream, event, to)

    def _too_many_typing(self, event: Event, stream: Stream) -> bool:
        """In a room too large for a roster only the first few names are shown as typing."""
        if stream.policy is None or stream.policy.roster == "listed":
            return False
        now = asyncio.get_running_loop().time()
        stream.typing = {user: until for user, until in stream.typing.items() if until > now}
        shown = event.sender in stream.typing
        if not _typing_frame.decode(event.frame).on:
            stream.typing.pop(event.sender, None)
            return not shown
        if not shown and len(stream.typing) >= TYPING_NAMES:
            return True
        stream.typing[event.sender] = now + TYPING_S
        return False
