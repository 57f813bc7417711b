"""What a plugin may ask of the desk at run time. The platform's implementation is ``actions.facade``."""

from __future__ import annotations

from typing import Any, Protocol

from deskbell.ids import RoomId, TenantId, UserId
from deskbell.model.records import Message, RoomState


class DeskApi(Protocol):
    """The platform, as plugins see it. Every call goes through the same rules as a client's.

    Raises, in every call: :class:`deskbell.errors.DeskbellError` and its kinds.
    """

    async def room(self, tenant: TenantId, room: RoomId) -> RoomState: ...

    async def room_by_key(
        self, tenant: TenantId, channel_type: str, key: str, *, name: str = "", members: list[UserId] | None = None
    ) -> RoomState:
        """Get or create the room with this key; safe under race."""
        ...

    async def post(
        self,
        tenant: TenantId,
        room: RoomId,
        *,
        as_user: UserId,
        content: str,
        client_id: str,
        kind: str = "text",
        metadata: dict[str, Any] | None = None,
    ) -> Message:
        """Post as a user of the room. The same ``client_id`` again answers the stored message."""
        ...

    async def history(self, tenant: TenantId, room: RoomId, *, limit: int = 50) -> list[Message]: ...
