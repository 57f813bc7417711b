"""Limits over several instances, in Redis. See :mod:`deskbell.volatile.limits` for what they promise.

A message's limiter may not wait. So each instance has a bucket of its own, which alone decides, and keeps
an account of what it gave: up to ten tokens at a time are settled with the bucket that all share, by one
Lua call on one key with the server's clock, and its answer is what is left for everybody. A bucket of
few tokens is settled token by token. Nothing is set aside for an instance that does not need it, so
somebody whose next socket is elsewhere finds what they have left. What instances give at the same
moment, before they have heard of each other, is the only thing that can be too much.

While Redis is away each instance limits alone: never more than its own bucket has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import structlog

from deskbell.clock import Clock
from deskbell.errors import RateLimited
from deskbell.ids import ConnectionId, TenantId, UserId
from deskbell.volatile.limits import Heard, MemoryLimits
from deskbell.volatile.redis_link import Away, Command, Link

log = structlog.get_logger(__name__)

TOKENS_AT_ONCE = 10
SETTLE_AFTER_S = 0.5
ROLL_TTL_S = 75.0
ROLL_EVERY_S = 25.0

# Answers with what is left. A strict call takes nothing where there is too little, and says so with a
# negative number; another's tokens are spent already, so the bucket goes into debt, by one burst at most.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local rate, burst, cost = tonumber(ARGV[1]) / 60, tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'n', 'at')
local n = burst
if kept[1] then n = math.min(burst, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * rate) end
local short = ARGV[4] == '1' and n < cost
if not short then n = math.max(n - cost, -burst) end
redis.call('HSET', KEYS[1], 'n', string.format('%.6f', n), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - n) / math.max(rate, 0.001) * 1000) + 1000)
return {short and 1 or 0, string.format('%.6f', n)}
"""

# ARGV: cap, life in ms, the new socket, then each other socket of the instance and its silence in ms.
# A field is `when last heard:until when it counts`. Answers with the sockets that must go.
_ENTER = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local cap, till, me = tonumber(ARGV[1]), now + tonumber(ARGV[2]), ARGV[3]
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], (now - ARGV[i + 1]) .. ':' .. till) end
local all, there, gone = redis.call('HGETALL', KEYS[1]), {}, {}
for i = 1, #all, 2 do
  local heard, ends = string.match(all[i + 1], '^(%-?%d+):(%d+)$')
  if tonumber(ends) < now then redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= me then there[#there + 1] = {all[i], tonumber(heard)} end
end
table.sort(there, function(a, b) if a[2] ~= b[2] then return a[2] < b[2] end return a[1] < b[1] end)
for i = 1, #there - cap + 1 do
  redis.call('HDEL', KEYS[1], there[i][1])
  gone[i] = there[i][1]
end
redis.call('HSET', KEYS[1], me, now .. ':' .. till)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return gone
"""

# ARGV: life in ms, then each socket of the instance and its silence in ms.
_STILL = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local till = now + tonumber(ARGV[1])
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], (now - ARGV[i + 1]) .. ':' .. till) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""


class _Account:
    """What was given from one bucket and is not settled yet."""

    __slots__ = ("burst", "given", "per_min")

    def __init__(self) -> None:
        self.given = 0.0
        self.per_min = 0.0
        self.burst = 0


class RedisLimits(MemoryLimits):
    """See the module."""

    def __init__(self, link: Link, clock: Clock, *, max_buckets: int = 100_000) -> None:
        super().__init__(clock, max_buckets=max_buckets)
        self._link = link
        self._take = link.script(_TAKE)
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._due: set[tuple[str, str]] = set()
        self._settle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def degraded(self) -> bool:  # type: ignore[override]
        return not self._link.up

    def spend(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        super().spend(name, key, per_min=per_min, burst=burst, cost=cost)
        if not self._link.up:
            return
        at = (name, key)
        account = self._accounts.get(at)
        if account is None:
            account = self._accounts[at] = _Account()
        account.given += cost
        account.per_min, account.burst = per_min, burst
        if account.given >= min(TOKENS_AT_ONCE, burst // 10):
            self._due.add(at)
            self._settle.set()

    async def spend_strictly(self, name: str, key: str, *, per_min: float, burst: int, cost: float = 1.0) -> None:
        super().spend(name, key, per_min=per_min, burst=burst, cost=cost)
        try:
            (answer,) = await self._link.ask(self._take.call(_key(name, key), per_min, burst, cost, 1))
        except Away:
            return  # ours has limited it
        if isinstance(answer, list):
            self._left((name, key), float(answer[1]))
            if answer[0] == 1:
                wait_s = (cost - float(answer[1])) * 60 / per_min if per_min > 0 else 60.0
                raise RateLimited(retry_after_ms=int(wait_s * 1000) + 1)

    def _left(self, at: tuple[str, str], tokens: float) -> None:
        """What all have left is the most that we have."""
        bucket = self._buckets.get(at)
        if bucket is not None:
            account = self._accounts.get(at)
            bucket.tokens = min(bucket.tokens, tokens - (account.given if account is not None else 0.0))

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="limits-settle")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._due.update(self._accounts)
        self._link.tell(*self._settled()[1])

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SETTLE_AFTER_S):
                    await self._settle.wait()
            except TimeoutError:
                self._due.update(self._accounts)  # little by little comes to something, too
            self._settle.clear()
            buckets, commands = self._settled()
            try:
                answers = await self._link.ask(*commands)
            except Away:
                continue  # each limits alone now
            except Exception:
                log.exception("limits_not_settled")
                continue
            for at, answer in zip(buckets, answers, strict=True):
                if isinstance(answer, list):
                    self._left(at, float(answer[1]))

    def _settled(self) -> tuple[list[tuple[str, str]], list[Command]]:
        due, self._due = self._due, set()
        buckets: list[tuple[str, str]] = []
        commands: list[Command] = []
        for at in due:
            account = self._accounts.pop(at, None)
            if account is not None:
                buckets.append(at)
                commands.append(self._take.call(_key(*at), account.per_min, account.burst, account.given, 0))
        return buckets, commands


def _key(name: str, key: str) -> str:
    return f"deskbell:limit:{name}:{key}"


class RedisRoll:
    """Every user's sockets on all instances; those of an instance that died are forgotten after ``ttl_s``.

    What was heard of a socket of another instance is known as of ``every_s`` ago.
    """

    def __init__(self, link: Link, *, ttl_s: float = ROLL_TTL_S, every_s: float = ROLL_EVERY_S) -> None:
        self._link = link
        self._ttl_ms = int(ttl_s * 1000)
        self._every_s = every_s
        self._enter = link.script(_ENTER)
        self._still = link.script(_STILL)
        self._soon = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # A Redis that was away may come back empty.
        link.watch(lambda up: self._soon.set() if up else None)

    @property
    def degraded(self) -> bool:
        return not self._link.up

    async def enter(
        self,
        tenant: TenantId,
        user: UserId,
        connection: ConnectionId,
        cap: int,
        heard: Mapping[ConnectionId, float],
    ) -> list[ConnectionId]:
        said = self._enter.call(_sockets(tenant, user), cap, self._ttl_ms, connection, *_silence(heard))
        try:
            (gone,) = await self._link.ask(said)
        except Away:
            return []
        return [ConnectionId(name.decode()) for name in gone] if isinstance(gone, list) else []

    def leave(self, tenant: TenantId, user: UserId, connection: ConnectionId) -> None:
        self._link.tell(("HDEL", _sockets(tenant, user), connection))

    async def start(self, heard: Heard) -> None:
        self._task = asyncio.create_task(self._run(heard), name="roll")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, heard: Heard) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._every_s)
            self._soon.clear()
            if not self._link.up:
                continue
            try:
                said = [
                    self._still.call(_sockets(tenant, user), self._ttl_ms, *_silence(sockets))
                    for tenant, user, sockets in heard()
                ]
                for start in range(0, len(said), 200):
                    await self._link.ask(*said[start : start + 200])
            except Away:
                continue
            except Exception:
                log.exception("roll_not_told")


def _sockets(tenant: TenantId, user: UserId) -> str:
    return f"{tenant}:sockets:{user}"


def _silence(heard: Mapping[ConnectionId, float]) -> list[Any]:
    return [word for name, silent_s in heard.items() for word in (name, max(0, int(silent_s * 1000)))]
