"""How the cases stand in whose rooms somebody wrote: told to the agents here, gathered.

The sender of a message is not made to wait for this. The journal says only in which room something was said; once a
second the cases of these rooms are read, in a fixed number of statements for each tenant, on the instances where agents
of the tenant listen. So a case is told at most once a second, and what is told is how it then is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog

from deskbell.hub.ground import Ground
from deskbell.ids import CaseId, RoomId, TenantId
from deskbell.model.case_rules import Targets
from deskbell.store import case_entries
from deskbell.store.database import StoreError
from deskbell.wire import frames
from deskbell.wire.events import Event

log = structlog.get_logger(__name__)

GATHER_S: Final = 1.0
AT_ONCE: Final = 100
REMEMBERED: Final = 10_000


class CaseNews:
    """Of all tenants whose agents are here."""

    def __init__(self, ground: Ground, targets: Targets) -> None:
        self._ground = ground
        self._targets = targets
        self._moved: dict[TenantId, dict[RoomId, None]] = {}
        # What was told last of each case, so that the same is not told again.
        self._told: dict[CaseId, int] = {}

    def moved(self, tenant: TenantId, rooms: Collection[RoomId]) -> None:
        """Something was said in these rooms, or was taken back, or may have been."""
        self._moved.setdefault(tenant, {}).update(dict.fromkeys(rooms))

    def forget(self, tenant: TenantId) -> None:
        """Nobody of a tenant listens here any more."""
        self._moved.pop(tenant, None)

    async def news(self) -> list[Event]:
        """What is to be told to agents now."""
        moved, self._moved = self._moved, {}
        events: list[Event] = []
        for tenant, of in moved.items():
            rooms = list(of)
            for start in range(0, len(rooms), AT_ONCE):
                part = rooms[start : start + AT_ONCE]
                try:
                    events += await self._of(tenant, part)
                except StoreError as error:
                    log.warning("case_news_wait", error=str(error))
                    self.moved(tenant, part)
        return events

    async def _of(self, tenant: TenantId, rooms: list[RoomId]) -> list[Event]:
        async with self._ground.db.snapshot() as at:
            wanted = await case_entries.of_rooms(at, tenant, rooms)
            found = await case_entries.entries(at, tenant, wanted, self._targets)
        events: list[Event] = []
        for case in found:
            frame = frames.encode(frames.CaseFrame(case=case))
            if self._told.pop(case.id, None) != hash(frame):
                events.append(Event(tenant, "staff", case.team, "case", 0, frame))
            self._told[case.id] = hash(frame)
            if len(self._told) > REMEMBERED:
                del self._told[next(iter(self._told))]
        return events
