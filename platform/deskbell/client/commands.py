"""What the client says over the socket besides sending: the one place that knows these frames."""

from __future__ import annotations

from typing import Any

from deskbell.client.outbox import R
from deskbell.wire.frames import Ack, Ok


class Commands:
    """What one does with messages and rooms. Each is repeated after a break, but for what is only mentioned."""

    async def _request(self, frame: dict[str, Any], kind: type[R] = Ok) -> R:  # type: ignore[assignment]
        raise NotImplementedError

    def _mention(self, frame: dict[str, Any]) -> None:
        raise NotImplementedError

    async def edit(self, message: str, content: str) -> Ack:
        return await self._request({"type": "edit", "message": message, "content": content}, Ack)

    async def delete(self, message: str) -> Ack:
        return await self._request({"type": "delete", "message": message}, Ack)

    async def react(self, message: str, emoji: str) -> Ack:
        return await self._request({"type": "react", "message": message, "emoji": emoji}, Ack)

    async def unreact(self, message: str, emoji: str) -> Ack:
        return await self._request({"type": "unreact", "message": message, "emoji": emoji}, Ack)

    async def pin(self, message: str) -> Ack:
        return await self._request({"type": "pin", "message": message}, Ack)

    async def unpin(self, message: str) -> Ack:
        return await self._request({"type": "unpin", "message": message}, Ack)

    async def read(self, room: str, seq: int) -> None:
        """Say that everything up to ``seq`` was read. Marks only move up."""
        await self._request({"type": "read", "room": room, "seq": seq})

    def delivered(self, room: str, seq: int) -> None:
        """Say that everything up to ``seq`` has arrived; not repeated when it is lost."""
        self._mention({"type": "delivered", "room": room, "seq": seq})

    def typing(self, room: str, on: bool) -> None:
        """Say that one is typing; not repeated when it is lost."""
        self._mention({"type": "typing", "room": room, "on": on})

    async def escalate(self, room: str, reason: str = "asked_human") -> None:
        """Ask for a person. Asking again changes nothing."""
        await self._request({"type": "escalate", "room": room, "reason": reason})

    async def stop(self, room: str, turn: str) -> None:
        """End the bot's running answer."""
        await self._request({"type": "stop", "room": room, "turn": turn})
