"""How much is allowed to whom: token buckets, and a cap on connections.

All state may be lost: a restart forgets what was spent. :class:`MemoryLimits` and :class:`MemoryRoll`
are of a single process; :mod:`deskbell.volatile.redis_limits` counts over several. Both pass
``tests/contract/test_limits.py``.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from deskbell.clock import Clock
from deskbell.errors import RateLimited
from deskbell.ids import ConnectionId, TenantId, UserId


class Limits(Protocol):
    """Token buckets by name and key. ``degraded``: what other instances allow is not known at the moment."""

    @property
    def degraded(self) -> bool: ...

    def spend(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        """Take from the bucket ``name`` of ``key``, by what is known here. Never waits.

        What other instances allowed is heard of within a moment, so that a few more may pass there.

        Raises:
            RateLimited: It is empty; ``retry_after_ms`` says when there will be enough.
        """
        ...

    async def spend_strictly(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        """The same, asking all instances first: for what is rare, and worth guessing at, like a password.

        While they cannot be asked, the bucket here limits alone; it is never left open.

        Raises:
            RateLimited: As above.
        """
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


Heard = Callable[[], Iterable[tuple[TenantId, UserId, Mapping[ConnectionId, float]]]]


class Roll(Protocol):
    """How many sockets a user has over all instances. Those of its own instance the hub counts itself."""

    @property
    def degraded(self) -> bool: ...

    async def enter(
        self,
        tenant: TenantId,
        user: UserId,
        connection: ConnectionId,
        cap: int,
        heard: Mapping[ConnectionId, float],
    ) -> list[ConnectionId]:
        """Note a new socket; which ones are to be closed so that there are ``cap``: those silent longest.

        Args:
            heard: The user's other sockets of this instance, with the seconds since each last said anything.
        """
        ...

    def leave(self, tenant: TenantId, user: UserId, connection: ConnectionId) -> None:
        """A socket has ended."""
        ...

    async def start(self, heard: Heard) -> None:
        """Begin. ``heard`` tells of every socket of this instance, for what must be said again and again."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Bucket:
    """``tokens`` there were at ``at``, by the clock's monotonic seconds."""

    tokens: float
    at: float


class MemoryLimits:
    """Buckets of this process alone. Those nobody touched for longest are dropped when there are too many."""

    degraded = False

    def __init__(self, clock: Clock, *, max_buckets: int = 100_000) -> None:
        self._clock = clock
        self._max = max_buckets
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def spend(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        now = self._clock.monotonic()
        at = (name, key)
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = Bucket(float(burst), now)
            if len(self._buckets) > self._max:
                self._buckets.popitem(last=False)
        else:
            bucket.tokens = min(float(burst), bucket.tokens + (now - bucket.at) * per_min / 60)
            bucket.at = now
            self._buckets.move_to_end(at)
        if bucket.tokens < cost:
            wait_s = (cost - bucket.tokens) * 60 / per_min if per_min > 0 else 60.0
            raise RateLimited(retry_after_ms=int(wait_s * 1000) + 1)
        bucket.tokens -= cost

    async def spend_strictly(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        self.spend(name, key, per_min=per_min, burst=burst, cost=cost)

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None


class MemoryRoll:
    """For a single process: there is nobody else to count."""

    degraded = False

    async def enter(
        self,
        tenant: TenantId,
        user: UserId,
        connection: ConnectionId,
        cap: int,
        heard: Mapping[ConnectionId, float],
    ) -> list[ConnectionId]:
        return []

    def leave(self, tenant: TenantId, user: UserId, connection: ConnectionId) -> None:
        return None

    async def start(self, heard: Heard) -> None:
        return None

    async def close(self) -> None:
        return None


def address_prefix(address: str) -> str:
    """What counts as one neighbour: an IPv4 /24, an IPv6 /56; anything else as it is."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 56}", strict=False))


class Gauge:
    """How many there are of something, by key, with a cap: unauthenticated sockets by prefix."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._counts: dict[str, int] = {}

    def enter(self, key: str) -> bool:
        """Count one more; False if that would be too many."""
        count = self._counts.get(key, 0)
        if count >= self._cap:
            return False
        self._counts[key] = count + 1
        return True

    def leave(self, key: str) -> None:
        count = self._counts.get(key, 0) - 1
        if count > 0:
            self._counts[key] = count
        else:
            self._counts.pop(key, None)
