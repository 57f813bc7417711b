"""How much is allowed to whom: token buckets, and a cap on connections.

Buckets here are of this process alone. All state may be lost: a restart forgets what was spent.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from deskbell.clock import Clock
from deskbell.errors import RateLimited


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limits:
    """Token buckets by name and key. Buckets nobody touched for longest are dropped when there are too many."""

    def __init__(self, clock: Clock, *, max_buckets: int = 100_000) -> None:
        self._clock = clock
        self._max = max_buckets
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def spend(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        """Take from the bucket ``name`` of ``key``.

        Raises:
            RateLimited: It is empty; ``retry_after_ms`` says when there will be enough.
        """
        now = self._clock.monotonic()
        at = (name, key)
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = _Bucket(float(burst), now)
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
