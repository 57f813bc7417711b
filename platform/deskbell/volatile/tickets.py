"""One-time tickets: a socket's way in that may stand in an address without harm.

:class:`MemoryTickets` is for a single process, :class:`deskbell.volatile.redis_tickets.RedisTickets`
for several. Both pass ``tests/contract/test_tickets.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deskbell.clock import Clock
from deskbell.ids import TenantId, UserId, new_secret

LIFE_S = 30


@dataclass(frozen=True)
class Ticket:
    """What a ticket stands for: a user, and the browser origin it was asked from."""

    tenant: TenantId
    user: UserId
    origin: str | None
    token_version: int
    expires_us: int
    token_expires_us: int
    login: str = ""


class Tickets(Protocol):
    """Each ticket can be used once, within 30 seconds, on any instance."""

    @property
    def degraded(self) -> bool: ...

    async def issue(
        self,
        tenant: TenantId,
        user: UserId,
        origin: str | None,
        token_version: int,
        token_expires_us: int,
        login: str = "",
    ) -> str:
        """A new ticket; while degraded it is of use on this instance alone."""
        ...

    async def use(self, name: str) -> Ticket | None:
        """The ticket, used up now; None if there is none, it was used, or it is over.

        Raises:
            Unavailable: Nobody can say at the moment.
        """
        ...


class MemoryTickets:
    """Tickets of a single process."""

    degraded = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}

    async def issue(
        self,
        tenant: TenantId,
        user: UserId,
        origin: str | None,
        token_version: int,
        token_expires_us: int,
        login: str = "",
    ) -> str:
        now_us = self._clock.now_us()
        # Insertion order is order of expiry, so what is over stands in front.
        while self._tickets:
            first = next(iter(self._tickets))
            if self._tickets[first].expires_us > now_us and len(self._tickets) < 100_000:
                break
            del self._tickets[first]
        name = new_secret()
        expires_us = now_us + LIFE_S * 1_000_000
        self._tickets[name] = Ticket(tenant, user, origin, token_version, expires_us, token_expires_us, login)
        return name

    async def use(self, name: str) -> Ticket | None:
        ticket = self._tickets.pop(name, None)
        return ticket if ticket is not None and ticket.expires_us > self._clock.now_us() else None
