"""Who may answer in a support room, as pure functions.

Every change of hands raises ``owner_version``: what was begun under an older version, a bot's answer
above all, is refused when it arrives. Handing a room to whom it already belongs changes nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from deskbell.ids import UserId
from deskbell.model.records import Room


def _hand_over(room: Room, kind: str, user: UserId | None) -> Room:
    if room.owner_kind == kind and room.owner_user == user:
        return room
    return replace(room, owner_kind=kind, owner_user=user, owner_version=room.owner_version + 1)


def to_agent(room: Room, agent: UserId) -> Room:
    """The agent answers from now on; the bot is silent."""
    return _hand_over(room, "agent", agent)


def to_bot(room: Room, bot: UserId) -> Room:
    """The bot answers from now on."""
    return _hand_over(room, "bot", bot)


def to_nobody(room: Room) -> Room:
    """Nobody answers until somebody takes the room."""
    return _hand_over(room, "nobody", None)
