"""Presence of several instances, in Redis. See :mod:`deskbell.volatile.presence` for what it promises.

Each instance keeps a list of its own users per tenant, under its own name, which goes by itself when the
instance says nothing for ``ttl_s``; so keeping it costs one command per tenant, however many users
there are. A user is here while the list of any instance has them that was heard of lately. A list
that Redis has lost is written again at the next beat.

The list of an instance that died stays a while longer than the word that it lived: the first of the others
to notice takes both away, and tells who is gone with it. One that was taken for dead and is not, because it
was paused or cut off, writes its list again and tells who is here.

While Redis is away, only the users of this instance are known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from deskbell.clock import Clock
from deskbell.ids import TenantId, UserId, new_id
from deskbell.volatile.presence import MemoryPresence, Seen, Status, Turned
from deskbell.volatile.redis_link import Away, Command, Link

log = structlog.get_logger(__name__)

INSTANCES = "deskbell:instances"
KEEP_SEEN_S = 7 * 24 * 3600
KEEP_CHOSEN_S = 24 * 3600
USERS_AT_ONCE = 500

LISTS_OUTLIVE = 3

_BEAT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local new = redis.call('ZADD', KEYS[1], now, ARGV[1])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
return {new, dead}
"""
"""That we live. Whether nobody knew it; and who no longer does, told to one alone."""


class RedisPresence:
    """See the module. ``instance`` names this one.

    Args:
        ttl_s: How long the users of an instance that died count as here.
        beat_s: How often an instance says that it lives.
    """

    def __init__(self, link: Link, clock: Clock, *, ttl_s: float = 20.0, beat_s: float = 5.0) -> None:
        self._link = link
        self._clock = clock
        self._ttl_ms = int(ttl_s * 1000)
        self._beat_s = beat_s
        self._here: dict[TenantId, dict[UserId, int]] = {}
        self._chosen: dict[TenantId, dict[UserId, Status]] = {}
        # What is known without asking anybody; also what is answered while there is nobody to ask.
        self._own = MemoryPresence(clock)
        self._beat = link.script(_BEAT)
        self._task: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        # Somebody came or went while Redis was away: what it has of us may be neither empty nor right.
        self._unsure = False
        self._known = False
        self._turned: list[Turned] = []
        self.instance = new_id()
        link.watch(self._link_turned)

    @property
    def _kept_ms(self) -> int:
        return self._ttl_ms * LISTS_OUTLIVE

    @property
    def degraded(self) -> bool:
        return not self._link.up

    def _link_turned(self, up: bool) -> None:
        self._unsure = True
        self._soon.set()

    async def enter(self, tenant: TenantId, user: UserId) -> bool:
        first = await self._own.enter(tenant, user)
        if not first:
            return False
        mine = self._list(tenant, self.instance)
        self._here.setdefault(tenant, {})[user] = 1
        where = self._tenants(self.instance)
        return not await self._elsewhere(
            tenant,
            user,
            ("HSET", mine, user, 1),
            ("PEXPIRE", mine, self._kept_ms),
            ("SADD", where, tenant),
            ("PEXPIRE", where, self._kept_ms),
        )

    async def leave(self, tenant: TenantId, user: UserId) -> bool:
        last = await self._own.leave(tenant, user)
        if not last:
            return False
        here = self._here.get(tenant, {})
        here.pop(user, None)
        if not here:
            self._here.pop(tenant, None)
        return not await self._elsewhere(
            tenant,
            user,
            ("HDEL", self._list(tenant, self.instance), user),
            ("SET", self._seen_key(tenant, user), self._clock.now_us(), "EX", KEEP_SEEN_S),
        )

    async def _elsewhere(self, tenant: TenantId, user: UserId, *first: Command) -> bool:
        """Do something, then look whether another instance has the user.

        In this order: of two instances that do it at once, at least one sees the other.
        """
        try:
            *_, instances = await self._link.ask(*first, ("ZRANGE", INSTANCES, 0, -1))
            answers = await self._link.ask(
                *(("HEXISTS", self._list(tenant, other), user) for other in self._others(instances))
            )
        except Away:
            return False
        return 1 in answers

    def _others(self, instances: Any) -> list[str]:
        """Of what Redis says is alive, those that are not us."""
        names = [name.decode() for name in instances] if isinstance(instances, list) else []
        return [name for name in names if name != self.instance]

    async def choose(self, tenant: TenantId, user: UserId, status: Status) -> None:
        await self._own.choose(tenant, user, status)
        chosen = self._chosen.setdefault(tenant, {})
        key = self._chosen_key(tenant)
        if status == "online":
            chosen.pop(user, None)
            said: Command = ("HDEL", key, user)
        else:
            chosen[user] = status
            said = ("HSET", key, user, status)
        with contextlib.suppress(Away):
            await self._link.ask(said, ("EXPIRE", key, KEEP_CHOSEN_S))

    async def seen(self, tenant: TenantId, users: Sequence[UserId]) -> dict[UserId, Seen]:
        own = await self._own.seen(tenant, users)
        if not users:
            return own
        elsewhere = [user for user in users if own[user].status == "offline"]
        last: list[Command] = [("GET", self._seen_key(tenant, user)) for user in elsewhere]
        try:
            chosen, instances = await self._link.ask(
                ("HMGET", self._chosen_key(tenant), *users), ("ZRANGE", INSTANCES, 0, -1)
            )
            others = self._others(instances) if elsewhere else []
            lists: list[Command] = [("HMGET", self._list(tenant, other), *elsewhere) for other in others]
            answers = await self._link.ask(*lists, *last)
        except Away:
            return own
        answers = [answer if isinstance(answer, list | bytes) else None for answer in answers]
        said = dict(zip(users, chosen if isinstance(chosen, list) else [None] * len(users), strict=True))
        found: dict[UserId, Seen] = {}
        for index, user in enumerate(elsewhere):
            if any(answer is not None and answer[index] is not None for answer in answers[: len(lists)]):
                found[user] = _here(said[user])
            else:
                at = answers[len(lists) + index]
                found[user] = Seen("offline", int(at) if at is not None else own[user].last_seen_us)
        return {user: found.get(user) or _here(said[user]) for user in users}

    def watch(self, turned: Turned) -> None:
        self._turned.append(turned)

    def _tell(self, tenant: TenantId, users: Sequence[UserId]) -> None:
        for turned in self._turned if users else ():
            try:
                turned(tenant, users)
            except Exception:
                log.exception("presence_watcher_failed")

    # life

    async def start(self) -> None:
        """Say that this instance lives, now and from now on."""
        await self._say()
        self._task = asyncio.create_task(self._run(), name="presence-beat")

    async def close(self) -> None:
        """Go: who is still here is here no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        gone: list[Command] = [("DEL", self._list(tenant, self.instance)) for tenant in self._here]
        gone.append(("DEL", self._tenants(self.instance)))
        self._link.tell(("ZREM", INSTANCES, self.instance), *gone)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._beat_s)
            self._soon.clear()
            try:
                await self._say()
            except Exception:
                log.exception("presence_beat_failed")

    async def _say(self) -> None:
        """That we live; who else does; and whom we have, where Redis no longer knows it."""
        tenants = list(self._here)
        said = [tenant for tenant, chosen in self._chosen.items() if chosen]
        where = self._tenants(self.instance)
        try:
            beat, *kept = await self._link.ask(
                self._beat.call(INSTANCES, self.instance, self._ttl_ms),
                *(("PEXPIRE", self._list(tenant, self.instance), self._kept_ms) for tenant in tenants),
                *(("EXPIRE", self._chosen_key(tenant), KEEP_CHOSEN_S) for tenant in said),
            )
        except Away:
            return
        unsure, self._unsure = self._unsure, False
        again: list[Command] = []
        for tenant, answer in zip(tenants, kept, strict=False):
            if unsure:
                again.append(("DEL", self._list(tenant, self.instance)))
            if unsure or answer == 0:
                again += self._rewrite(tenant)
        for tenant, answer in zip(said, kept[len(tenants) :], strict=True):
            if answer == 0:
                again.append(("HSET", self._chosen_key(tenant), *_pairs(self._chosen[tenant].items())))
        if tenants:
            again += [("SADD", where, *tenants), ("PEXPIRE", where, self._kept_ms)]
        self._link.tell(*again)
        if isinstance(beat, list):
            await self._looked_around(beat[0] == 1, [name.decode() for name in beat[1]])

    async def _looked_around(self, unknown: bool, dead: Sequence[str]) -> None:
        """Of others who no longer say that they live we tell who went with them; of ourselves, that we do live."""
        taken_for_dead, self._known = unknown and self._known, True
        if taken_for_dead:
            for tenant, here in list(self._here.items()):
                self._tell(tenant, list(here))
        for instance in dead:
            log.warning("presence_instance_gone", instance=instance)
            with contextlib.suppress(Away):
                await self._part_with(instance)

    async def _part_with(self, instance: str) -> None:
        (tenants,) = await self._link.ask(("SMEMBERS", self._tenants(instance)))
        self._link.tell(("DEL", self._tenants(instance)))
        last_us = self._clock.now_us() - self._ttl_ms * 1000
        for tenant in [TenantId(name.decode()) for name in tenants] if isinstance(tenants, list) else []:
            (names,) = await self._link.ask(("HKEYS", self._list(tenant, instance)))
            self._link.tell(("DEL", self._list(tenant, instance)))
            users = [UserId(name.decode()) for name in names] if isinstance(names, list) else []
            for start in range(0, len(users), USERS_AT_ONCE):
                part = users[start : start + USERS_AT_ONCE]
                seen = await self.seen(tenant, part)
                gone = [user for user in part if seen[user].status == "offline"]
                self._link.tell(*(("SET", self._seen_key(tenant, user), last_us, "EX", KEEP_SEEN_S) for user in gone))
                self._tell(tenant, gone)

    def _rewrite(self, tenant: TenantId) -> Iterable[Command]:
        mine, users = self._list(tenant, self.instance), list(self._here.get(tenant, {}))
        for start in range(0, len(users), USERS_AT_ONCE):
            yield ("HSET", mine, *_pairs((user, 1) for user in users[start : start + USERS_AT_ONCE]))
        if users:
            yield ("PEXPIRE", mine, self._kept_ms)

    def _list(self, tenant: TenantId, instance: str) -> str:
        return f"{tenant}:here:{instance}"

    def _tenants(self, instance: str) -> str:
        return f"deskbell:tenants:{instance}"

    def _chosen_key(self, tenant: TenantId) -> str:
        return f"{tenant}:chosen"

    def _seen_key(self, tenant: TenantId, user: UserId) -> str:
        return f"{tenant}:seen:{user}"


def _here(chosen: Any) -> Seen:
    """Somebody who is here, with what they said of themselves."""
    return Seen("away" if chosen == b"away" else "busy" if chosen == b"busy" else "online")


def _pairs(items: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [word for item in items for word in item]
