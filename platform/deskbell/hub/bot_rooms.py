"""That something moved in the conversations the bot has: told to the agents here, gathered.

Most visitors are helped by the bot alone, so these conversations are many and no agent's work; who wants to see them
asks for the list. Here it is only said that a list shown is old, and how many they are: once a second at most for
each tenant, whatever was written in how many of them, with one statement on the instances where agents listen.
"""

from __future__ import annotations

from typing import Final

import structlog

from deskbell.hub.ground import Ground
from deskbell.ids import TenantId
from deskbell.store import boards
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

GATHER_S: Final = 1.0
COUNTED_TO: Final = 1_000


class BotRooms:
    """Of all tenants whose agents are here."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._moved: dict[TenantId, None] = {}

    def moved(self, tenant: TenantId) -> None:
        """One of the tenant's was opened, ended or changed hands, or something was said there; or it may have been."""
        self._moved[tenant] = None

    def forget(self, tenant: TenantId) -> None:
        """Nobody of a tenant listens here any more."""
        self._moved.pop(tenant, None)

    async def news(self) -> list[Event]:
        """What is to be told to agents now."""
        moved, self._moved = self._moved, {}
        events: list[Event] = []
        for tenant in moved:
            try:
                count = await boards.with_bot(self._ground.db, tenant, most=COUNTED_TO)
            except StoreError as error:
                log.warning("bot_rooms_wait", error=str(error))
                self.moved(tenant)
                continue
            frame = frames.encode(frames.ConversationsFrame(bot=count))
            events.append(Event(tenant, "staff", "", "conversations", 0, frame))
        return events
