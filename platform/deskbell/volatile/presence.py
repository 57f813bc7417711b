"""Who is here. A user is online while any socket of theirs is, on any instance; all of it may be lost.

:class:`MemoryPresence` is for a single process, :class:`deskbell.volatile.redis_presence.RedisPresence`
for several. Both pass ``tests/contract/test_presence.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from deskbell.clock import Clock
from deskbell.ids import TenantId, UserId

Status = Literal["online", "away", "busy", "offline"]


@dataclass(frozen=True)
class Seen:
    """How somebody is. ``last_seen_us`` is of those who are offline, where it is known."""

    status: Status
    last_seen_us: int | None = None


Turned = Callable[[TenantId, Sequence[UserId]], None]
"""Told of users whose presence has changed though none of them came or went: see :meth:`Presence.watch`."""


class Presence(Protocol):
    """Counts sockets. ``degraded``: only this instance's are known at the moment. Nothing here raises."""

    @property
    def degraded(self) -> bool: ...

    async def enter(self, tenant: TenantId, user: UserId) -> bool:
        """One more socket here; True if the user was nowhere before, as far as is known."""
        ...

    async def leave(self, tenant: TenantId, user: UserId) -> bool:
        """One socket less; True if it was the last anywhere, as far as is known."""
        ...

    async def choose(self, tenant: TenantId, user: UserId, status: Status) -> None:
        """What a user says of themselves while online: away, busy, or online again."""
        ...

    async def seen(self, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, Seen]:
        """How each of these is."""
        ...

    def watch(self, turned: Turned) -> None:
        """Have ``turned`` called for users of an instance that died, once among all others; and for our own
        users when we ourselves were taken for dead and are back."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class MemoryPresence:
    """Presence of a single process. When they were last seen is kept of users who left while it runs."""

    degraded = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sockets: dict[tuple[TenantId, UserId], int] = {}
        self._chosen: dict[tuple[TenantId, UserId], Status] = {}
        self._last_seen_us: dict[tuple[TenantId, UserId], int] = {}

    async def enter(self, tenant: TenantId, user: UserId) -> bool:
        key = (tenant, user)
        self._sockets[key] = self._sockets.get(key, 0) + 1
        return self._sockets[key] == 1

    async def leave(self, tenant: TenantId, user: UserId) -> bool:
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

    async def choose(self, tenant: TenantId, user: UserId, status: Status) -> None:
        if status == "online":
            self._chosen.pop((tenant, user), None)
        else:
            self._chosen[tenant, user] = status

    async def seen(self, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, Seen]:
        return {user: self._seen((tenant, user)) for user in users}

    def _seen(self, key: tuple[TenantId, UserId]) -> Seen:
        if key in self._sockets:
            return Seen(self._chosen.get(key, "online"))
        return Seen("offline", self._last_seen_us.get(key))

    def watch(self, turned: Turned) -> None:
        return None

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None
