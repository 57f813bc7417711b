"""Who is here. A user is online while any socket of theirs is; all of it may be lost."""

from __future__ import annotations

from typing import Literal

from deskbell.clock import Clock
from deskbell.ids import TenantId, UserId

Status = Literal["online", "away", "busy", "offline"]


class MemoryPresence:
    """Presence of a single process. ``last_seen`` is kept for users who left while it runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sockets: dict[tuple[TenantId, UserId], int] = {}
        self._chosen: dict[tuple[TenantId, UserId], Status] = {}
        self._last_seen_us: dict[tuple[TenantId, UserId], int] = {}

    def enter(self, tenant: TenantId, user: UserId) -> bool:
        """One more socket; True if the user was not here before."""
        key = (tenant, user)
        self._sockets[key] = self._sockets.get(key, 0) + 1
        return self._sockets[key] == 1

    def leave(self, tenant: TenantId, user: UserId) -> bool:
        """One socket less; True if it was the last."""
        key = (tenant, user)
        left = self._sockets.get(key, 0) - 1
        if left > 0:
            self._sockets[key] = left
            return False
        self._sockets.pop(key, None)
        self._last_seen_us[key] = self._clock.now_us()
        if len(self._last_seen_us) > 100_000:
            del self._last_seen_us[next(iter(self._last_seen_us))]
        return True

    def choose(self, tenant: TenantId, user: UserId, status: Status) -> None:
        """What a user says of themselves while online: away, busy, or online again."""
        if status == "online":
            self._chosen.pop((tenant, user), None)
        else:
            self._chosen[tenant, user] = status

    def status(self, tenant: TenantId, user: UserId) -> Status:
        key = (tenant, user)
        return self._chosen.get(key, "online") if key in self._sockets else "offline"

    def last_seen_us(self, tenant: TenantId, user: UserId) -> int | None:
        return self._last_seen_us.get((tenant, user))
