"""Tickets of several instances, in Redis. See :mod:`deskbell.volatile.tickets` for what they promise.

Redis holds a digest of each ticket, never the ticket, for 30 seconds; taking it out is what uses it up,
so of two that try at once one gets it. While Redis is away a ticket is good on the instance that
issued it, and nobody is let in whom nobody knows.
"""

from __future__ import annotations

import hashlib

import msgspec
from redis.exceptions import ResponseError

from deskbell.clock import Clock
from deskbell.errors import Unavailable
from deskbell.ids import TenantId, UserId, new_secret
from deskbell.volatile.redis_link import Away, Link
from deskbell.volatile.tickets import LIFE_S, MemoryTickets, Ticket

RETRY_MS = 1000

_decoder = msgspec.msgpack.Decoder(Ticket)


class RedisTickets:
    """See the module."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._own = MemoryTickets(clock)

    @property
    def degraded(self) -> bool:
        return not self._link.up

    async def issue(
        self,
        tenant: TenantId,
        user: UserId,
        origin: str | None,
        token_version: int,
        token_expires_us: int,
        login: str = "",
    ) -> str:
        name = new_secret()
        expires_us = self._clock.now_us() + LIFE_S * 1_000_000
        ticket = Ticket(tenant, user, origin, token_version, expires_us, token_expires_us, login)
        try:
            (kept,) = await self._link.ask(("SET", _key(name), msgspec.msgpack.encode(ticket), "EX", LIFE_S))
        except Away:
            kept = None
        if isinstance(kept, bytes):
            return name
        return await self._own.issue(tenant, user, origin, token_version, token_expires_us, login)

    async def use(self, name: str) -> Ticket | None:
        own = await self._own.use(name)
        if own is not None:
            return own
        try:
            (found,) = await self._link.ask(("GETDEL", _key(name)))
        except Away:
            raise _unknown() from None
        if isinstance(found, ResponseError):
            raise _unknown()
        if found is None:
            return None
        ticket = _decoder.decode(found)
        return ticket if ticket.expires_us > self._clock.now_us() else None


def _key(name: str) -> str:
    return f"deskbell:ticket:{hashlib.blake2b(name.encode(), digest_size=24).hexdigest()}"


def _unknown() -> Unavailable:
    return Unavailable("Tickets cannot be looked up right now. Ask for a new one.", retry_after_ms=RETRY_MS)
